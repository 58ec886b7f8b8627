namespace Microsoft.ML.SharpnessAware;

/// <summary>What a training does when its loss or gradient is no longer finite.</summary>
public enum OnDivergence
{
    /// <summary>It stops with a <see cref="TrainingDivergedException"/>. Of what <see cref="FineTuning.Auto"/> tries after the head, only
    /// the training that diverged stops: a warning names it, and the head, or another training, is the model.</summary>
    Stop,

    /// <summary>
    /// It goes back to the beginning of the epoch and continues with half the learning rate, at most three times; then it stops as with
    /// <see cref="Stop"/>. Each time is a warning in the log.
    /// </summary>
    RestoreAndHalve,
}
