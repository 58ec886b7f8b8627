using System.Globalization;

namespace Microsoft.ML.SharpnessAware;

/// <summary>What one epoch of training did: handed to <c>Options.MetricsCallback</c> and kept in the transformer's
/// <c>History</c>.</summary>
public sealed record EpochMetrics
{
    /// <summary>
    /// What of a training in several parts is trained, as the log names it, where training starts from weights: "head", or a training
    /// of the whole network, such as "Gentle in large steps". Each counts its epochs from 1, and one that is given up has reported
    /// those that it had; the head is reported, as one epoch, where it is the model. Null in a training from scratch or by
    /// <c>FineTuning.Full</c>, and in the transformer's <c>History</c>, which is that of the model alone.
    /// </summary>
    public string? Phase { get; init; }

    /// <summary>The epoch, counted from 1.</summary>
    public required int Epoch { get; init; }

    /// <summary>How many epochs were asked for.</summary>
    public required int TotalEpochs { get; init; }

    /// <summary>
    /// Mean of the training loss over the epoch's images as augmented, taken at the unperturbed weights before each step. With mixup or
    /// CutMix it is that of the mixed labels, λ ℓ(y₁) + (1 − λ) ℓ(y₂), which no network brings to 0: compare it between epochs only.
    /// Where <see cref="SharpnessAwareMethod.AscentShare"/> is below 1, a step that climbs counts with the mean over the share that it has
    /// drawn.
    /// </summary>
    public required double TrainLoss { get; init; }

    /// <summary>Share of validation images whose most probable class is right, in [0, 1]; NaN without validation images.</summary>
    public required double ValidationAccuracy { get; init; }

    /// <summary>Mean log loss in nats on the validation images, before temperature scaling; NaN without validation images.</summary>
    public required double ValidationLogLoss { get; init; }

    /// <summary>Mean log loss on the validation images at the temperature that makes it least: what no temperature takes away. NaN without
    /// validation images, and in models of versions before this measure.</summary>
    public double ValidationRefinement { get; init; } = double.NaN;

    /// <summary>Expected calibration error (15 bins) on the validation images, before temperature scaling; NaN without validation
    /// images.</summary>
    public required double ValidationExpectedCalibrationError { get; init; }

    /// <summary>The learning rate of the epoch's last step.</summary>
    public required double LearningRate { get; init; }

    /// <summary>Training images per second, the time for validation left out.</summary>
    public required double ImagesPerSecond { get; init; }

    /// <summary>How long the epoch took, validation included; where it was gone on with in its middle, as if all of its steps had been
    /// done in this run.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>One line, for logs.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"Epoch {Epoch}/{TotalEpochs}{(Phase is null ? "" : $" ({Phase})")}: train loss {TrainLoss:F4}, " +
        $"validation accuracy {ValidationAccuracy:P2}, log loss {ValidationLogLoss:F4}, " +
        $"ECE {ValidationExpectedCalibrationError:P2}, learning rate {LearningRate:G4}, {ImagesPerSecond:F0} images/s");
}
