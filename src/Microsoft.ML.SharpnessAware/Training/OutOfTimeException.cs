namespace Microsoft.ML.SharpnessAware;

/// <summary>Ends the training of a candidate, by the clock. It does not leave the fine-tuning.</summary>
internal sealed class OutOfTimeException(string message) : Exception(message)
{
    /// <summary>With how many epochs to begin anew, 0 for none; null where time is up and what was reached is judged.</summary>
    public int? Epochs { get; init; }
}
