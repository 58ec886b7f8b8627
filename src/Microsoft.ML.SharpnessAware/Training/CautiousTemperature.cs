using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The temperature that suits held-out rows of logits, as if two rows more had been seen of which nothing is known: the least log loss
/// against targets of 1 − s for the label and s / K for each of the K classes, s = 2 / (rows + 2).
/// </summary>
/// <remarks>
/// Where every row is right, the labels alone ask for probabilities of 1, however few the rows are. With this, two classes get Laplace's
/// rule of succession, 1 / (rows + 2) for being wrong; and where the rows are not quite like what the model will see, it is less sure.
/// Two of 0 to 8 rows was the best compromise over three sets of pictures (docs/evidence.md).
/// </remarks>
internal sealed class CautiousTemperature
{
    private const double UnknownRows = 2;
    private const double Range = 4.6;       // ln T from −4.6 to 4.6: T from 0.01 to 100
    private const double Precision = 1e-4;

    private static readonly double Golden = (Math.Sqrt(5) - 1) / 2;

    private CautiousTemperature(double temperature, double loss) => (Value, Loss) = (temperature, loss);

    public double Value { get; }

    /// <summary>The mean loss against those targets at this temperature.</summary>
    public double Loss { get; }

    /// <param name="logits">Logits [rows × classes], row-major.</param>
    /// <param name="labels">The class of each row, from 0.</param>
    /// <param name="numberOfClasses">The number of classes.</param>
    /// <exception cref="ArgumentException">A logit is not finite.</exception>
    public static CautiousTemperature Fit(float[] logits, int[] labels, int numberOfClasses)
    {
        if (Array.FindIndex(logits, logit => !float.IsFinite(logit)) is >= 0 and int place)
            throw new ArgumentException($"Row {place / numberOfClasses} (counted from 0) has a logit that is not finite.", nameof(logits));
        double share = UnknownRows / (labels.Length + UnknownRows);
        double[] scaled = new double[numberOfClasses];
        double low = -Range, high = Range;          // the loss is convex in 1/T, so that it has one minimum in ln T, too
        double left = high - (Golden * (high - low)), right = low + (Golden * (high - low));
        double ofLeft = LossAt(left), ofRight = LossAt(right);
        while (high - low > Precision)
        {
            if (ofLeft < ofRight)
            {
                (high, right, ofRight) = (right, left, ofLeft);
                left = high - (Golden * (high - low));
                ofLeft = LossAt(left);
            }
            else
            {
                (low, left, ofLeft) = (left, right, ofRight);
                right = low + (Golden * (high - low));
                ofRight = LossAt(right);
            }
        }

        double best = (low + high) / 2;
        return new(Math.Exp(best), LossAt(best));

        double LossAt(double logarithm)
        {
            double beta = Math.Exp(-logarithm), sum = 0;
            for (int row = 0; row < labels.Length; row++)
            {
                TensorPrimitives.ConvertTruncating<float, double>(logits.AsSpan(row * numberOfClasses, numberOfClasses), scaled);
                TensorPrimitives.Subtract(scaled, TensorPrimitives.Max<double>(scaled), scaled);
                TensorPrimitives.Multiply(scaled, beta, scaled);
                double expected = ((1 - share) * scaled[labels[row]]) + (share * TensorPrimitives.Sum<double>(scaled) / numberOfClasses);
                TensorPrimitives.Exp(scaled, scaled);
                sum += Math.Log(TensorPrimitives.Sum<double>(scaled)) - expected;
            }

            return sum / labels.Length;
        }
    }
}
