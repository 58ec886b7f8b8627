using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What vector and Dirichlet calibration begin from, ln p / T with T the temperature fitted on the same rows, and the log loss that they
/// minimise: against targets a little less certain than the labels, (1 − s)·[y = k] + s·q_k with q = softmax(ln p / T), s = 1 / (rows + 1).
/// </summary>
/// <remarks>
/// It is as if the temperature-scaled model counted as one row more. The loss stays convex in logits; its minimum is finite also where the
/// labels alone would ask for probabilities of 0 and 1; and since the cross entropy against q is lowest at q itself, what this loss gains
/// over q the plain log loss gains, too: the result is never worse than the temperature alone, and that never worse than nothing.
/// </remarks>
internal sealed class SmoothedLogLoss
{
    private readonly CalibrationRows _rows;
    private readonly float[] _logarithms;

    public SmoothedLogLoss(CalibrationRows rows)
    {
        _rows = rows;
        Temperature = rows.FitTemperature();
        _logarithms = rows.Logarithms();
        TensorPrimitives.Divide(_logarithms, (float)Temperature, _logarithms);
    }

    public double Temperature { get; }

    public int Count => _rows.Count;

    public int NumberOfClasses => _rows.NumberOfClasses;

    /// <summary>ln p / T of one row.</summary>
    public void ReadLogarithms(int row, Span<double> destination) =>
        TensorPrimitives.ConvertTruncating<float, double>(_logarithms.AsSpan(row * NumberOfClasses, NumberOfClasses), destination);

    /// <summary>The loss of one row, and in place of its logits the gradient with respect to them.</summary>
    /// <param name="row">The row.</param>
    /// <param name="logarithms">What <see cref="ReadLogarithms"/> gave for it.</param>
    /// <param name="logits">The logits of the calibrator.</param>
    public double Differentiate(int row, ReadOnlySpan<double> logarithms, Span<double> logits)
    {
        double weight = _rows.WeightOfOneRow;
        int label = _rows.Labels[row];
        Span<double> own = logarithms.Length <= 256 ? stackalloc double[logarithms.Length] : new double[logarithms.Length];
        TensorPrimitives.SoftMax(logarithms, own);
        TensorPrimitives.Multiply(own, weight, own);

        TensorPrimitives.Subtract(logits, TensorPrimitives.Max<double>(logits), logits);
        double loss = -(1 - weight) * logits[label] - TensorPrimitives.Dot<double>(own, logits);
        TensorPrimitives.Exp<double>(logits, logits);
        double sum = TensorPrimitives.Sum<double>(logits);
        TensorPrimitives.Divide(logits, sum, logits);
        TensorPrimitives.Subtract(logits, own, logits);
        logits[label] -= 1 - weight;
        return loss + Math.Log(sum);
    }
}
