namespace Microsoft.ML.SharpnessAware;

/// <summary>How well abstention keeps what it promises, and how much it answers.</summary>
public sealed class AbstentionMetrics
{
    internal AbstentionMetrics(long accepted, long acceptedRight, long rejected, long rejectedRight, long skippedRows,
        (ClusterShare Accepted, ClusterShare[] Right)? ofClusters = null)
    {
        (Count, AcceptedCount, SkippedRows) = (accepted + rejected, accepted, skippedRows);
        NumberOfClusters = ofClusters?.Accepted.NumberOfClusters;
        AcceptedShare = ofClusters?.Accepted.Interval() ?? BinomialTail.Interval(accepted, Count);
        AcceptedAccuracy = ofClusters?.Right[1].Interval() ?? BinomialTail.Interval(acceptedRight, accepted);
        RejectedAccuracy = ofClusters?.Right[0].Interval() ?? BinomialTail.Interval(rejectedRight, rejected);
    }

    /// <summary>How many rows were measured.</summary>
    public long Count { get; }

    /// <summary>How many of them are accepted.</summary>
    public long AcceptedCount { get; }

    /// <summary>How many clusters of rows the intervals are of; null where rows are taken as independent.</summary>
    public int? NumberOfClusters { get; }

    /// <summary>How many rows were left out because their label is missing or a score is NaN or infinite.</summary>
    public long SkippedRows { get; }

    /// <summary>The accuracy that was asked of the accepted rows; NaN where their column does not tell, since another transform made
    /// it.</summary>
    public double AccuracyAsked { get; internal init; } = double.NaN;

    /// <summary>How sure that was to be; NaN where the column does not tell.</summary>
    public double ConfidenceAsked { get; internal init; } = double.NaN;

    /// <summary>The share of rows that are accepted, with its 95 % interval: exact (Clopper and Pearson 1934), or of whole clusters
    /// where rows belong to such.</summary>
    public ConfidenceInterval AcceptedShare { get; }

    /// <summary>The accuracy on the accepted rows, with its 95 % interval; NaN where there is none.</summary>
    public ConfidenceInterval AcceptedAccuracy { get; }

    /// <summary>The accuracy on the other rows, with its 95 % interval; NaN where there is none: what acting on them would have
    /// cost.</summary>
    public ConfidenceInterval RejectedAccuracy { get; }

    /// <summary>The main numbers in one line, in invariant culture.</summary>
    public override string ToString() =>
        Invariant($"Accepts {AcceptedCount:N0} of {Count:N0} rows{CalibrationComparison.InClusters(NumberOfClusters)} ({AcceptedShare}), ")
        + $"accuracy on these {AcceptedAccuracy}, on the others {RejectedAccuracy}";
}
