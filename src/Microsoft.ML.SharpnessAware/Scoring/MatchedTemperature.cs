using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The temperature with which changed logits z' give probabilities closest to p = softmax(z / T) of the logits before: that of the least
/// mean cross-entropy −Σ p ln softmax(z' / T'). If p is calibrated, this is the log loss of labels drawn from it, so what a fit to labels
/// would find from more of them; what is fitted on p, calibrators and decisions, stays as valid as it can be.
/// </summary>
internal static class MatchedTemperature
{
    private const int Halvings = 60;

    // Rounding moves a temperature by a few percent.
    private const double FarthestFactor = 4;

    /// <param name="logits">The changed logits, row-major [rows × classes].</param>
    /// <param name="originals">Those before.</param>
    /// <param name="temperature">T of those before.</param>
    /// <param name="numberOfClasses">The number of classes.</param>
    /// <returns>T' in the range of temperatures; T where none is better than others.</returns>
    public static double Fit(ReadOnlySpan<float> logits, ReadOnlySpan<float> originals, double temperature, int numberOfClasses)
    {
        double[] targets = new double[originals.Length], z = new double[originals.Length];
        TensorPrimitives.ConvertTruncating(originals, targets);
        TensorPrimitives.ConvertTruncating(logits, z);
        for (int row = 0; row < z.Length; row += numberOfClasses)
        {
            Shift(z.AsSpan(row, numberOfClasses));
            Span<double> target = targets.AsSpan(row, numberOfClasses);
            Shift(target);
            TensorPrimitives.Divide(target, temperature, target);
            Exponentiate(target, target);
        }

        double low = Math.Max(TemperatureScaling.MinimumTemperature, temperature / FarthestFactor);
        double high = Math.Min(TemperatureScaling.MaximumTemperature, temperature * FarthestFactor);
        // The mean of z' under softmax(z' / T') falls with T'; at the minimum it is that under p.
        double wanted = TensorPrimitives.Dot<double>(targets, z);
        if (!(Mean(z, low, numberOfClasses) > wanted && Mean(z, high, numberOfClasses) < wanted))
            return temperature;
        for (int i = 0; i < Halvings; i++)
        {
            double middle = Math.Sqrt(low * high);
            if (Mean(z, middle, numberOfClasses) > wanted)
                low = middle;
            else
                high = middle;
        }

        return Math.Sqrt(low * high);
    }

    private static double Mean(ReadOnlySpan<double> z, double temperature, int numberOfClasses)
    {
        double[] probabilities = new double[numberOfClasses];
        CompensatedSum sum = default;
        for (int row = 0; row < z.Length; row += numberOfClasses)
        {
            ReadOnlySpan<double> logits = z.Slice(row, numberOfClasses);
            TensorPrimitives.Divide(logits, temperature, probabilities);
            Exponentiate(probabilities, probabilities);
            sum.Add(TensorPrimitives.Dot<double>(probabilities, logits));
        }

        return sum.Value;
    }

    private static void Shift(Span<double> row) => TensorPrimitives.Subtract(row, TensorPrimitives.Max<double>(row), row);

    private static void Exponentiate(ReadOnlySpan<double> row, Span<double> probabilities)
    {
        TensorPrimitives.Exp(row, probabilities);
        TensorPrimitives.Divide(probabilities, TensorPrimitives.Sum<double>(probabilities), probabilities);
    }
}
