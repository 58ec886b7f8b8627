namespace Microsoft.ML.SharpnessAware;

/// <summary>Another process of a <see cref="ProcessGroup"/> failed, left or did not come, so that this one cannot go on.</summary>
public sealed class ProcessGroupException : Exception
{
    internal ProcessGroupException(string message, int? rank, Exception? cause = null)
        : base(message, cause) => Rank = rank;

    /// <summary>The rank of the process that failed or left; null where it is not known.</summary>
    public int? Rank { get; }
}
