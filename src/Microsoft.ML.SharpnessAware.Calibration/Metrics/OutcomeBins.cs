using System.Runtime.Intrinsics;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Rows by confidence bin and by whether the prediction was right.</summary>
internal sealed class OutcomeBins(ConfidenceBins bins)
{
    private readonly OutcomeCell[] _cells = new OutcomeCell[2 * bins.Count];

    /// <summary>The wrong rows of bin b at 2b, the right ones at 2b + 1.</summary>
    public ReadOnlySpan<OutcomeCell> Cells => _cells;

    /// <param name="confidence">The confidence by which the row is binned.</param>
    /// <param name="correct">Whether the prediction was right.</param>
    /// <param name="row">The numbers of the row, from <see cref="OutcomeCell.Row"/>.</param>
    public void Add(float confidence, bool correct, Vector256<double> row)
        => _cells[2 * bins.IndexOf(confidence) + (correct ? 1 : 0)].Add(row);

    /// <summary>The mean over all rows of the number at <paramref name="index"/>.</summary>
    public double Mean(int index)
    {
        CompensatedSum sum = default;
        long count = 0;
        foreach (ref readonly OutcomeCell cell in Cells)
        {
            sum.Add(cell.Sum[index]);
            count += cell.Count;
        }

        return sum.Value / count;
    }

    public ReliabilityBin[] ReliabilityBins() =>
    [
        .. Enumerable.Range(0, bins.Count)
            .Select(bin => Bin(bins.LowerBound(bin), bins.UpperBound(bin), _cells.AsSpan(2 * bin, 2))),
    ];

    /// <summary>A bin of the wrong and the right rows in it.</summary>
    public static ReliabilityBin Bin(double lowerBound, double upperBound, ReadOnlySpan<OutcomeCell> wrongAndRight)
        => ReliabilityBin.Create(lowerBound, upperBound, wrongAndRight[0].Count + wrongAndRight[1].Count,
            wrongAndRight[0].Sum[RowNumber.Confidence] + wrongAndRight[1].Sum[RowNumber.Confidence], wrongAndRight[1].Count);
}
