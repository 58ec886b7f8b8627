namespace Microsoft.ML.SharpnessAware;

/// <summary>The log loss of a classifier, image by image, on images that it was not trained on, at the temperature that suits it
/// there.</summary>
internal sealed class HeldOutLoss
{
    // One chance in twenty, of a normal distribution: a picture more that is right must not decide.
    private const double StandardErrors = 1.645;

    private readonly double[] _losses;

    private HeldOutLoss(double[] losses, double accuracy) => (_losses, Accuracy) = (losses, accuracy);

    public double Accuracy { get; }

    public double Mean => _losses.Average();

    /// <param name="logits">Logits [rows × classes], row-major.</param>
    /// <param name="labels">The class of each row, from 0.</param>
    /// <param name="numberOfClasses">The number of classes.</param>
    public static HeldOutLoss Of(float[] logits, int[] labels, int numberOfClasses)
    {
        if (!logits.All(float.IsFinite))
            return new([.. labels.Select(_ => double.PositiveInfinity)], 0);
        double temperature = TemperatureScaling.FitWithPrior(logits, labels, numberOfClasses);
        double[] losses = [.. labels.Select((label, row) =>
            Loss(logits.AsSpan(row * numberOfClasses, numberOfClasses), label, temperature))];
        return new(losses, LogitMetrics.Of(logits, labels, numberOfClasses).Accuracy);
    }

    /// <summary>Whether the mean loss of the same images is lower beyond chance, by a paired comparison at 95 %, one-sided.</summary>
    public bool IsBetterThan(HeldOutLoss other)
    {
        double[] gains = [.. other._losses.Zip(_losses, (theirs, ours) => theirs - ours)];
        double mean = gains.Average(), variance = gains.Sum(gain => (gain - mean) * (gain - mean)) / Math.Max(1, gains.Length - 1);
        return mean > StandardErrors * Math.Sqrt(variance / gains.Length);
    }

    private static double Loss(ReadOnlySpan<float> logits, int label, double temperature)
    {
        double largest = double.NegativeInfinity, sum = 0;
        foreach (float logit in logits)
            largest = Math.Max(largest, logit / temperature);
        foreach (float logit in logits)
            sum += Math.Exp((logit / temperature) - largest);
        return Math.Log(sum) + largest - (logits[label] / temperature);
    }
}
