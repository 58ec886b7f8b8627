using System.Globalization;

namespace Microsoft.ML.SharpnessAware;

/// <summary>How well prediction sets keep what they promise, and how much they say.</summary>
public sealed class PredictionSetMetrics
{
    internal PredictionSetMetrics(SetCounts counts, IReadOnlyList<string> classNames, long skippedRows, ClusterShare? covered = null)
    {
        Count = counts.OfSize.Sum();
        NumberOfClusters = covered?.NumberOfClusters;
        CoverageInterval = covered?.Interval() ?? BinomialTail.Interval(counts.OfSizeCovered.Sum(), Count);
        MeanSize = (double)counts.OfSize.Select((rows, size) => size * rows).Sum() / Count;
        SingleShare = (double)counts.OfSize[1] / Count;
        EmptyShare = (double)counts.OfSize[0] / Count;
        SkippedRows = skippedRows;
        PerClass = [.. counts.OfClass.Select((rows, k) =>
            new ClassCoverage(classNames[k], rows, BinomialTail.Interval(counts.OfClassCovered[k], rows)))];
        PerSize = [.. Enumerable.Range(0, counts.OfSize.Length).Where(size => counts.OfSize[size] > 0).Select(size =>
            new SizeCoverage(size, counts.OfSize[size], BinomialTail.Interval(counts.OfSizeCovered[size], counts.OfSize[size])))];
        LargestClassGap = PerClass.Where(item => item.Count > 0).Max(item => Math.Abs(item.Coverage.Estimate - Coverage));
        LargestSizeGap = PerSize.Where(item => item.Size > 0).Select(item => Math.Abs(item.Coverage.Estimate - Coverage)).DefaultIfEmpty()
            .Max();
    }

    /// <summary>How many rows were measured.</summary>
    public long Count { get; }

    /// <summary>How many rows were left out because their label is missing.</summary>
    public long SkippedRows { get; }

    /// <summary>The coverage that the sets were asked for; NaN where their column does not tell, since another transform made it.</summary>
    public double CoverageAsked { get; internal init; } = double.NaN;

    /// <summary>The share of rows whose set contains the true class.</summary>
    public double Coverage => CoverageInterval.Estimate;

    /// <summary>The coverage with its 95 % interval: exact (Clopper and Pearson 1934), or of whole clusters where rows belong to
    /// such.</summary>
    public ConfidenceInterval CoverageInterval { get; }

    /// <summary>How many clusters of rows the interval of the coverage is of; null where rows are taken as independent.</summary>
    public int? NumberOfClusters { get; }

    /// <summary>How many rows each threshold was fitted on: one number, or one for each class, 0 where it has none of its own; empty where
    /// the sets' column does not tell.</summary>
    internal double[] FittedRows { get; init; } = [];

    /// <summary>The mean number of classes in a set: the smaller, the more the sets say.</summary>
    public double MeanSize { get; }

    /// <summary>The share of sets of one class.</summary>
    public double SingleShare { get; }

    /// <summary>The share of empty sets. Of the least ambiguous score they are rows of which no class is probable enough; of the adaptive
    /// ones rows of which the model is so sure that the random share alone takes the class out, as it must where 95 % are asked and 99 %
    /// said: take the most probable class for these.</summary>
    public double EmptyShare { get; }

    /// <summary>The coverage of the rows of each class, in class order.</summary>
    public IReadOnlyList<ClassCoverage> PerClass { get; }

    /// <summary>The coverage of the sets of each size that occurs, smallest first.</summary>
    public IReadOnlyList<SizeCoverage> PerSize { get; }

    /// <summary>How far the coverage of a class lies from that of all rows, at most; small where no class is left out.</summary>
    /// <remarks>One class of few rows can decide it: where each class is covered in exactly 90 %, ten classes of 50 rows show 7 points by
    /// chance alone, and a hundred of 10 rows 29. <see cref="PerClass"/> has the numbers of rows, and intervals.</remarks>
    public double LargestClassGap { get; }

    /// <summary>How far the coverage of the sets of one size lies from that of all rows, at most, empty sets aside.</summary>
    /// <remarks>One size of few rows can decide it, by chance, as for <see cref="LargestClassGap"/>. <see cref="PerSize"/> has the numbers
    /// of rows, and intervals.</remarks>
    public double LargestSizeGap { get; }

    /// <summary>The main numbers in one line, in invariant culture.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"Coverage {CoverageInterval}, mean size {MeanSize:F2}, single {100 * SingleShare:F1} %, empty {100 * EmptyShare:F1} %, " +
        $"largest gap by class {LargestClassGap:F3}, by size {LargestSizeGap:F3}, " +
        $"{Count} rows{CalibrationComparison.InClusters(NumberOfClusters)}");
}
