using System.Runtime.InteropServices;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Every row's confidence and whether it was right, in four bytes (eight while it sorts): the only thing that is kept for each row. What
/// needs the order of the rows comes from here.
/// </summary>
internal sealed class ConfidenceRanking
{
    // The confidence's float32 bits shifted left by one, and whether the prediction was right in the lowest bit. Confidences are not
    // negative, so the order of these integers is the order of the confidences.
    private readonly List<uint> _rows = [];

    public int Count => _rows.Count;

    public void Add(float confidence, bool correct) => _rows.Add((BitConverter.SingleToUInt32Bits(confidence) << 1) | (correct ? 1u : 0u));

    public void Sort() => RadixSort.Sort(CollectionsMarshal.AsSpan(_rows));

    /// <summary>
    /// Bins of equal mass over the sorted rows. The j-th upper edge is the confidence at position j·N/B of the sorted rows, counted from 0
    /// (interpolated, but an edge between two confidences splits the rows where the lower one does). Rows that equal an edge lie below it,
    /// so ties are never split; the last bin takes the rest.
    /// </summary>
    /// <returns>The diagram, whose bounds are confidences of rows, and its cells in the order of <see cref="OutcomeBins.Cells"/>.</returns>
    public (ReliabilityDiagram Diagram, OutcomeCell[] Cells) EqualMassBins(int numberOfBins)
    {
        ReadOnlySpan<uint> rows = CollectionsMarshal.AsSpan(_rows);
        OutcomeCell[] cells = new OutcomeCell[2 * numberOfBins];
        ReliabilityBin[] bins = new ReliabilityBin[numberOfBins];
        int start = 0;
        double lowerBound = Confidence(rows[0]);
        for (int bin = 0; bin < numberOfBins; bin++)
        {
            int position = Math.Min((int)((bin + 1L) * rows.Length / numberOfBins), rows.Length - 1);
            int end = Math.Max(start, EndOfTies(rows, position));
            foreach (uint row in rows[start..end])
                cells[2 * bin + (int)(row & 1)].Add(OutcomeCell.Row(Confidence(row)));
            double upperBound = end > start ? Confidence(rows[end - 1]) : lowerBound;
            bins[bin] = OutcomeBins.Bin(lowerBound, upperBound, cells.AsSpan(2 * bin, 2));
            (start, lowerBound) = (end, upperBound);
        }

        return (new ReliabilityDiagram(bins), cells);
    }

    /// <summary>The accuracy-rejection curve of the sorted rows.</summary>
    public AccuracyRejectionCurve AccuracyRejectionCurve()
    {
        ReadOnlySpan<uint> rows = CollectionsMarshal.AsSpan(_rows);
        List<AccuracyRejectionPoint> points = [];
        int accepted = 0;
        int wrong = 0;
        double area = 0;
        long steps = 0;         // of coverage, passed by the last point
        bool everyThreshold = NumberOfConfidences(rows) <= SharpnessAware.AccuracyRejectionCurve.MaximumNumberOfPoints;
        while (accepted < rows.Length)
        {
            int before = accepted;
            uint confidence = rows[^(accepted + 1)] >> 1;
            for (; accepted < rows.Length && rows[^(accepted + 1)] is uint row && row >> 1 == confidence; accepted++)
                wrong += 1 - (int)(row & 1);

            area += (accepted - before) * (wrong / (double)accepted);
            long stepsNow = accepted * (long)SharpnessAware.AccuracyRejectionCurve.MaximumNumberOfPoints / rows.Length;
            if (everyThreshold || stepsNow > steps)
            {
                points.Add(new AccuracyRejectionPoint(
                    accepted / (double)rows.Length, (accepted - wrong) / (double)accepted, BitConverter.UInt32BitsToSingle(confidence)));
                steps = stepsNow;
            }
        }

        return new AccuracyRejectionCurve(points, area / rows.Length, SmallestArea(wrong) / rows.Length);
    }

    /// <summary>Σ of the risks when all right rows come before all wrong ones.</summary>
    private double SmallestArea(int wrong)
    {
        double area = 0;
        for (int i = 1; i <= wrong; i++)
            area += i / (double)(Count - wrong + i);
        return area;
    }

    private static int NumberOfConfidences(ReadOnlySpan<uint> rows)
    {
        int count = 1;
        for (int i = 1; i < rows.Length; i++)
            count += rows[i] >> 1 != rows[i - 1] >> 1 ? 1 : 0;
        return count;
    }

    private static int EndOfTies(ReadOnlySpan<uint> rows, int position)
    {
        int end = position + 1;
        while (end < rows.Length && rows[end] >> 1 == rows[end - 1] >> 1)
            end++;
        return end;
    }

    private static double Confidence(uint row) => BitConverter.UInt32BitsToSingle(row >> 1);
}
