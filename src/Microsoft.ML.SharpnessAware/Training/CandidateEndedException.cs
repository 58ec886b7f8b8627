namespace Microsoft.ML.SharpnessAware;

/// <summary>Ends the training of a candidate before its last epoch: by the clock, or since nothing will come of it. It does not leave the
/// fine-tuning.</summary>
internal sealed class CandidateEndedException(string message) : Exception(message)
{
    /// <summary>Whether the clock decided it, so that it may be otherwise another time.</summary>
    public bool IsByClock { get; init; }

    /// <summary>Whether what was reached is judged: time is up.</summary>
    public bool IsJudged { get; init; }

    /// <summary>What to begin anew with; null for nothing.</summary>
    public FineTuningCandidate? Instead { get; init; }
}
