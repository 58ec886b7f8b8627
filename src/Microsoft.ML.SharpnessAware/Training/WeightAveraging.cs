namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Which average of the weights over the course of a training is its result: <see cref="Exponential"/> or <see cref="Uniform"/>, as an
/// immutable value. See <see cref="WeightAverage"/> for the optimiser on its own.
/// </summary>
/// <remarks>
/// Validation, early stopping, the temperature and the checkpoint's best model are those of the averaged weights; the training itself
/// continues with its own weights. Running statistics of batch normalisation are recomputed for the averaged weights from up to 50
/// mini-batches of the epoch.
/// </remarks>
public abstract record WeightAveraging
{
    private protected WeightAveraging()
    {
    }

    /// <summary>
    /// An exponential average over the steps (EMA, Polyak averaging). Most useful where the learning rate stays high until the end.
    /// </summary>
    /// <param name="Share">About how much of the training it looks back on, in (0, 1]: with T steps the decay is 1 − 1/(Share·T).
    /// Default 0.05.</param>
    public sealed record Exponential(double Share = 0.05) : WeightAveraging
    {
        /// <summary>About how much of the training it looks back on, in (0, 1]. Default: 0.05.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is not in (0, 1].</exception>
        public double Share { get; init => field = InShare(value); } = InShare(Share);
    }

    /// <summary>
    /// The mean of the weights at the end of each of the last epochs (SWA; Izmailov et al. 2018, "Averaging weights leads to wider optima
    /// and better generalization"). Needs a learning rate that does not fall to zero. Before those epochs the weights are not averaged.
    /// </summary>
    /// <param name="Share">The share of the training, at its end, that is averaged, in (0, 1]; at least one epoch. Default 0.25.</param>
    public sealed record Uniform(double Share = 0.25) : WeightAveraging
    {
        /// <summary>The share of the training, at its end, that is averaged, in (0, 1]. Default: 0.25.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is not in (0, 1].</exception>
        public double Share { get; init => field = InShare(value); } = InShare(Share);
    }

    private static double InShare(double value) => value is > 0 and <= 1
        ? value
        : throw new ArgumentOutOfRangeException("Share", value, "Share must be above 0 and at most 1.");
}
