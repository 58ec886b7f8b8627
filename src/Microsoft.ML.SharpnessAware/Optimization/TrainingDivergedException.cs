using System.Globalization;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Training cannot continue because the loss, its gradient or what the network gives is infinite or not a number.
/// </summary>
/// <remarks>The step that throws it leaves weights and running statistics as they were before the step.</remarks>
public sealed class TrainingDivergedException : InvalidOperationException
{
    private readonly double _gradientNorm;

    internal TrainingDivergedException(
        long step, double learningRate, double loss, double gradientNorm, int? epoch = null, Exception? innerException = null)
        : this(step, learningRate, loss, epoch, Describe(step, learningRate, loss, gradientNorm, epoch), innerException)
    {
        _gradientNorm = gradientNorm;
    }

    private TrainingDivergedException(long step, double learningRate, double loss, int? epoch, string message, Exception? innerException)
        : base(message, innerException)
    {
        Step = step;
        LearningRate = learningRate;
        Loss = loss;
        Epoch = epoch;
    }

    /// <summary>The epoch in which it happened, from 1, where an epoch loop knows it.</summary>
    public int? Epoch { get; }

    /// <summary>The number of the step since training began, from 1.</summary>
    public long Step { get; }

    /// <summary>The learning rate of the step.</summary>
    public double LearningRate { get; }

    /// <summary>
    /// The mean loss of the pass that failed, finite if only its gradient was not; or that of the epoch after which the network no longer
    /// gives finite numbers.
    /// </summary>
    public double Loss { get; }

    /// <summary>The same failure with the epoch added, and the step as an epoch loop counts it that had several optimisers.</summary>
    internal TrainingDivergedException AtEpoch(int epoch, long? step = null) =>
        new(step ?? Step, LearningRate, Loss, _gradientNorm, epoch, this);

    /// <summary>The failure of a network that no longer gives finite numbers after an epoch whose losses were finite.</summary>
    internal static TrainingDivergedException AfterEpoch(int epoch, long step, double learningRate, double loss, string what) =>
        new(step, learningRate, loss, epoch, string.Create(CultureInfo.InvariantCulture,
            $"Training diverged in epoch {epoch}, by step {step}: its mean loss was {loss}, but {what} infinite or not a number after " +
            $"it. The learning rate was {learningRate}. ") + Causes, innerException: null);

    private static string Describe(long step, double learningRate, double loss, double gradientNorm, int? epoch) => string.Create(
        CultureInfo.InvariantCulture,
        $"Training diverged at step {step}{(epoch is null ? "" : $" (epoch {epoch})")}: the loss is {loss} and its gradient's norm " +
        $"{gradientNorm}. The learning rate was {learningRate}. ") + Causes;

    private const string Causes =
        "The usual causes are a learning rate or ρ that is too large, or input with NaN or infinite values.";
}
