namespace Microsoft.ML.SharpnessAware;

/// <summary>What a training does when its loss or gradient is no longer finite.</summary>
public enum OnDivergence
{
    /// <summary>It stops with a <see cref="TrainingDivergedException"/>.</summary>
    Stop,

    /// <summary>
    /// It goes back to the beginning of the epoch and continues with half the learning rate, at most three times; then it stops. Each time
    /// is a warning in the log.
    /// </summary>
    RestoreAndHalve,
}
