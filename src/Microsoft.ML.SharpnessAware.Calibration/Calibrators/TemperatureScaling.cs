using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Temperature scaling (Guo et al. 2017): p' = softmax(z / T) of logits z, or equally of log-probabilities. T above 1 lowers the
/// confidence, T below 1 raises it; the predicted class never changes.
/// </summary>
internal static class TemperatureScaling
{
    /// <summary>The range of temperatures. Without it, data that a model separates without error would ask for T = 0.</summary>
    public const double MinimumTemperature = 0.01;

    /// <inheritdoc cref="MinimumTemperature"/>
    public const double MaximumTemperature = 100;

    private const int MaximumIterations = 100;
    private const double RelativeTolerance = 1e-12;

    // The logarithm of the smallest float32. A float32 probability of 0 is one that is smaller than that.
    private static readonly double _smallestLogarithm = Math.Log(float.Epsilon);

    private static readonly double _largestLogLoss = -Math.Log(CalibrationAccumulator.SmallestProbability);

    /// <summary>
    /// The temperature that is used, by the calibrator and by the trainer: <see cref="Fit"/> with one row more, half of it as the model says
    /// and half with all classes alike (after Platt 1999, who smooths the targets of two classes so). N rows that are all right then raise
    /// confidence to about 1 − 1/(2N), where they would otherwise ask for certainty. docs/evidence.md measures it; the more rows, the less it
    /// matters.
    /// </summary>
    /// <inheritdoc cref="Fit"/>
    public static double FitSmoothed(ReadOnlySpan<float> logits, ReadOnlySpan<int> labels, int numberOfClasses) =>
        Fit(logits, labels, numberOfClasses, 1.0 / (labels.Length + 1));

    /// <summary>
    /// Finds the temperature that minimises the log loss. The log loss is convex in β = 1/T, so a Newton iteration on its derivative, kept
    /// inside a shrinking bracket, finds the one minimum. Deterministic; no allocation beyond one row.
    /// </summary>
    /// <param name="logits">Logits or log-probabilities, row-major [rows × classes]; −∞ stands for a probability of 0.</param>
    /// <param name="labels">The true class of each row, zero-based.</param>
    /// <param name="numberOfClasses">The number of classes, at least 2.</param>
    /// <param name="smoothing">
    /// How much of each row's target is in place of its label the mean of its own probabilities softmax(logits) and of 1/K for each class, from
    /// 0 to below 1. Above 0 the minimum is finite also where the labels alone would ask for T = 0.
    /// </param>
    /// <returns>T in [<see cref="MinimumTemperature"/>, <see cref="MaximumTemperature"/>]; 1 if no temperature gives a lower log loss on
    /// these rows than 1 does.</returns>
    /// <exception cref="ArgumentException">There are no rows, the lengths do not match, a label is out of range, or a logit is NaN or
    /// +∞.</exception>
    public static double Fit(ReadOnlySpan<float> logits, ReadOnlySpan<int> labels, int numberOfClasses, double smoothing = 0)
    {
        Check(logits, labels, numberOfClasses);
        double beta = MinimumOfLogLoss(logits, labels, numberOfClasses, smoothing);
        return CappedLogLoss(logits, labels, numberOfClasses, beta) < CappedLogLoss(logits, labels, numberOfClasses, 1) ? 1 / beta : 1;
    }

    /// <summary>Writes softmax(ln p / T) = p^(1/T) / Σ p^(1/T) for one row of probabilities.</summary>
    /// <param name="probabilities">One row of probabilities; need not sum to 1.</param>
    /// <param name="temperature">T, positive and finite. 1 copies the row.</param>
    /// <param name="destination">Receives the row; may be the same memory as <paramref name="probabilities"/>.</param>
    public static void Apply(ReadOnlySpan<float> probabilities, double temperature, Span<float> destination)
    {
        if (!(temperature > 0 && double.IsFinite(temperature)))
            throw new ArgumentOutOfRangeException(nameof(temperature), temperature, "The temperature must be positive and finite.");
        if (temperature == 1)
        {
            probabilities.CopyTo(destination);
            return;
        }

        int predicted = TensorPrimitives.IndexOfMax(probabilities);
        double largest = LogProbability(probabilities[predicted]);
        double sum = 0;
        for (int k = 0; k < probabilities.Length; k++)
        {
            double power = Math.Exp((LogProbability(probabilities[k]) - largest) / temperature);
            destination[k] = (float)power;
            sum += power;
        }

        for (int k = 0; k < probabilities.Length; k++)
            destination[k] = (float)(destination[k] / sum);

        // Two close probabilities may round to the same float32; the lower index would then win.
        if (destination[..predicted].Contains(destination[predicted]))
            destination[predicted] = MathF.BitIncrement(destination[predicted]);
    }

    private static double LogProbability(float probability) => Math.Max(Math.Log(probability), _smallestLogarithm);

    private static double MinimumOfLogLoss(
        ReadOnlySpan<float> logits, ReadOnlySpan<int> labels, int numberOfClasses, double smoothing)
    {
        double low = 1 / MaximumTemperature;
        double high = 1 / MinimumTemperature;
        if (Derivatives(logits, labels, numberOfClasses, smoothing, low).First >= 0)
            return low;
        if (Derivatives(logits, labels, numberOfClasses, smoothing, high).First <= 0)
            return high;

        double beta = 1;
        for (int iteration = 0; iteration < MaximumIterations; iteration++)
        {
            (double first, double second) = Derivatives(logits, labels, numberOfClasses, smoothing, beta);
            if (first > 0)
                high = beta;
            else
                low = beta;

            double next = beta - first / second;
            if (!(next > low && next < high))       // also when the curvature vanishes
                next = Math.Sqrt(low * high);
            if (Math.Abs(next - beta) <= RelativeTolerance * beta)
                return next;
            beta = next;
        }

        return beta;
    }

    /// <summary>Of the mean log loss at β: its slope, the mean of E_p[z] − z_y, and its curvature, the mean of Var_p[z]. With a smoothing
    /// s, (1 − s) z_y + s (E_q[z] + Σ z_k / K) / 2 with q = softmax(z) takes the place of z_y.</summary>
    private static (double First, double Second) Derivatives(
        ReadOnlySpan<float> logits, ReadOnlySpan<int> labels, int numberOfClasses, double smoothing, double beta)
    {
        double[] z = new double[numberOfClasses];
        double[] weights = new double[numberOfClasses];
        CompensatedSum first = default;
        CompensatedSum second = default;
        for (int row = 0; row < labels.Length; row++)
        {
            ReadRow(logits.Slice(row * numberOfClasses, numberOfClasses), z);
            double target = z[labels[row]];
            if (smoothing > 0)
            {
                TensorPrimitives.Exp(z, weights);
                double own = TensorPrimitives.Dot<double>(weights, z) / TensorPrimitives.Sum<double>(weights);
                double alike = TensorPrimitives.Sum<double>(z) / numberOfClasses;
                target += smoothing * ((own + alike) / 2 - target);
            }

            TensorPrimitives.Multiply(z, beta, weights);
            TensorPrimitives.Exp(weights, weights);
            double sum = TensorPrimitives.Sum<double>(weights);
            double mean = TensorPrimitives.Dot<double>(weights, z) / sum;
            first.Add(mean - target);

            TensorPrimitives.Add(z, -mean, z);
            TensorPrimitives.Multiply(z, z, z);
            second.Add(TensorPrimitives.Dot<double>(weights, z) / sum);
        }

        return (first.Value / labels.Length, second.Value / labels.Length);
    }

    /// <summary>The mean log loss at β as <see cref="MulticlassCalibrationMetrics.LogLoss"/> defines it, no row above −ln 1e-15.</summary>
    private static double CappedLogLoss(ReadOnlySpan<float> logits, ReadOnlySpan<int> labels, int numberOfClasses, double beta)
    {
        double[] z = new double[numberOfClasses];
        CompensatedSum loss = default;
        for (int row = 0; row < labels.Length; row++)
        {
            ReadRow(logits.Slice(row * numberOfClasses, numberOfClasses), z);
            TensorPrimitives.Multiply(z, beta, z);
            double label = z[labels[row]];
            TensorPrimitives.Exp(z, z);
            loss.Add(Math.Min(Math.Log(TensorPrimitives.Sum<double>(z)) - label, _largestLogLoss));
        }

        return loss.Value / labels.Length;
    }

    /// <summary>One row in double, shifted so that its largest value is 0.</summary>
    private static void ReadRow(ReadOnlySpan<float> logits, Span<double> z)
    {
        TensorPrimitives.ConvertTruncating(logits, z);
        TensorPrimitives.Subtract(z, TensorPrimitives.Max<double>(z), z);
        z.Replace(double.NegativeInfinity, _smallestLogarithm);
    }

    private static void Check(ReadOnlySpan<float> logits, ReadOnlySpan<int> labels, int numberOfClasses)
    {
        LabelledRows.Check(logits.Length, labels, numberOfClasses, nameof(logits));
        for (int row = 0; row < labels.Length; row++)
        {
            float largest = TensorPrimitives.Max(logits.Slice(row * numberOfClasses, numberOfClasses));
            if (!float.IsFinite(largest))
                throw new ArgumentException($"Row {row} (counted from 0) holds NaN or +∞, or nothing but −∞.", nameof(logits));
        }
    }
}
