using System.Buffers;
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

    /// <summary>The highest for logits that count in full: those of a naive Bayes model of many features that say the same may be hundreds
    /// of times too large.</summary>
    public const double MaximumTemperatureOfLogits = 1000;

    private const int MaximumIterations = 100;
    private const double RelativeTolerance = 1e-12;

    /// <summary>The temperature that is used, by the calibrator and by the trainer: that of the least log loss with a prior towards 1,
    /// unless a cross-fit of the rows shows it to do harm.</summary>
    /// <param name="logits">Logits or log-probabilities, row-major [rows × classes]; −∞ stands for a probability of 0.</param>
    /// <param name="labels">The true class of each row, zero-based.</param>
    /// <param name="numberOfClasses">The number of classes, at least 2.</param>
    /// <param name="prior">The prior; by default the one that docs/evidence.md chose.</param>
    /// <param name="groups">What each row belongs to, for the cross-fit; null where rows are independent.</param>
    /// <param name="floor">The least that a probability counts; by default <see cref="LogProbabilities.Floor"/>.</param>
    /// <returns>T in [<see cref="MinimumTemperature"/>, <see cref="TemperatureLoss.HighestTemperature"/>].</returns>
    /// <exception cref="ArgumentException">There are no rows, the lengths do not match, a label is out of range, or a logit is NaN or
    /// +∞.</exception>
    public static double FitWithPrior(ReadOnlySpan<float> logits, ReadOnlySpan<int> labels, int numberOfClasses,
        TemperaturePrior? prior = null, int[]? groups = null, double? floor = null)
    {
        prior ??= TemperaturePrior.Default;
        var loss = new TemperatureLoss(logits, labels, numberOfClasses, floor);
        double beta = Minimize(loss, prior.Weight, start: 1);
        return loss.LogLoss(beta) < loss.LogLoss(1) && !TemperatureCrossFit.ShowsHarm(loss, prior, beta, groups) ? 1 / beta : 1;
    }

    /// <summary>The mean log loss at the temperature that makes it least, without any prior: what no temperature takes away.</summary>
    /// <inheritdoc cref="FitWithPrior" path="/param[@name='logits' or @name='labels' or @name='numberOfClasses']"/>
    /// <inheritdoc cref="FitWithPrior" path="/exception"/>
    public static double LeastLogLoss(ReadOnlySpan<float> logits, ReadOnlySpan<int> labels, int numberOfClasses)
    {
        var loss = new TemperatureLoss(logits, labels, numberOfClasses);
        return Math.Min(loss.LogLoss(Minimize(loss, priorWeight: 0, start: 1)), loss.LogLoss(1));
    }

    /// <summary>Writes softmax(ln p / T) = p^(1/T) / Σ p^(1/T) for one row of probabilities; p counts as at least the floor.</summary>
    /// <param name="probabilities">One row of probabilities; need not sum to 1.</param>
    /// <param name="temperature">T, from 0.01 to 100. 1 copies the row.</param>
    /// <param name="destination">Receives the row; may be the same memory as <paramref name="probabilities"/>.</param>
    /// <param name="floor">The least that a probability counts; by default <see cref="LogProbabilities.Floor"/>.</param>
    public static void Apply(ReadOnlySpan<float> probabilities, double temperature, Span<float> destination, double? floor = null)
    {
        CheckTemperature(temperature, nameof(temperature));
        if (temperature == 1)
        {
            probabilities.CopyTo(destination);
            return;
        }

        int predicted = TensorPrimitives.IndexOfMax(probabilities);
        double[] rented = ArrayPool<double>.Shared.Rent(probabilities.Length);
        Span<double> logarithms = rented.AsSpan(0, probabilities.Length);
        LogProbabilities.Read(probabilities, floor ?? LogProbabilities.Floor(probabilities.Length), logarithms);
        Softmax.Apply(logarithms, temperature, predicted, destination);
        ArrayPool<double>.Shared.Return(rented);
    }

    /// <exception cref="ArgumentOutOfRangeException">The temperature is not in the range.</exception>
    public static void CheckTemperature(double temperature, string parameterName)
    {
        if (!(temperature is >= MinimumTemperature and <= MaximumTemperature))
            throw new ArgumentOutOfRangeException(parameterName, temperature, "A temperature is from 0.01 to 100; 1 changes nothing.");
    }

    /// <summary>
    /// The β = 1/T of the least mean log loss plus <paramref name="priorWeight"/> · (β − 1 − ln β) / rows, over the rows that are
    /// <paramref name="included"/> (all, where it is empty). That is convex in β, so a Newton iteration on its derivative, kept inside a
    /// shrinking bracket, finds the one minimum. Deterministic.
    /// </summary>
    internal static double Minimize(TemperatureLoss loss, double priorWeight, double start, ReadOnlySpan<bool> included = default)
    {
        double low = 1 / loss.HighestTemperature;
        double high = 1 / MinimumTemperature;
        if (Derivatives(loss, priorWeight, low, included).First >= 0)
            return low;
        if (Derivatives(loss, priorWeight, high, included).First <= 0)
            return high;

        double beta = start;
        for (int iteration = 0; iteration < MaximumIterations; iteration++)
        {
            (double first, double second) = Derivatives(loss, priorWeight, beta, included);
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

    private static (double First, double Second) Derivatives(
        TemperatureLoss loss, double priorWeight, double beta, ReadOnlySpan<bool> included)
    {
        (double first, double second) = loss.Derivatives(beta, included);
        return (first + priorWeight * (1 - 1 / beta), second + priorWeight / (beta * beta));
    }
}
