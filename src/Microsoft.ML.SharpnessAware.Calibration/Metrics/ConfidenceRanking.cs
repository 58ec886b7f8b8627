using System.Runtime.InteropServices;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Every row's confidence and whether it was right, in four bytes (eight while it sorts). What needs their order by confidence
/// comes from here.
/// </summary>
internal sealed class ConfidenceRanking(int capacity = 0)
{
    // The confidence's float32 bits shifted left by one, and whether the prediction was right in the lowest bit. Confidences are not
    // negative, so the order of these integers is the order of the confidences.
    private readonly List<uint> _rows = new(capacity);

    public int Count => _rows.Count;

    public void Add(float confidence, bool correct) => _rows.Add((BitConverter.SingleToUInt32Bits(confidence) << 1) | (correct ? 1u : 0u));

    /// <summary>The rows in the order in which they are.</summary>
    public IEnumerable<(double Confidence, bool Correct)> Rows() => _rows.Select(row => (Confidence(row), (row & 1) == 1));

    /// <summary>The row at a place of the sorted rows, counted from 0 at the most confident.</summary>
    public (double Confidence, bool Correct) FromTop(int place)
    {
        uint row = _rows[^(place + 1)];
        return (Confidence(row), (row & 1) == 1);
    }

    public void Sort() => RadixSort.Sort(CollectionsMarshal.AsSpan(_rows));

    /// <summary>
    /// Bins of the sorted rows that hold as equally many as ties allow: bin j ends at the place nearest to (j + 1)·N/B that does not split
    /// rows of equal confidence, the lower one of two equally near. Without ties the numbers of rows differ by one at most.
    /// </summary>
    /// <returns>The bins, whose bounds are confidences of rows, and their cells in the order of <see cref="OutcomeBins.Cells"/>.</returns>
    public (ReliabilityBin[] Bins, OutcomeCell[] Cells) EqualMassBins(int numberOfBins)
    {
        ReadOnlySpan<uint> rows = CollectionsMarshal.AsSpan(_rows);
        OutcomeCell[] cells = new OutcomeCell[2 * numberOfBins];
        ReliabilityBin[] bins = new ReliabilityBin[numberOfBins];
        int start = 0;
        double lowerBound = Confidence(rows[0]);
        for (int bin = 0; bin < numberOfBins; bin++)
        {
            int end = Math.Max(start, NearestEnd(rows, (bin + 1.0) * rows.Length / numberOfBins));
            foreach (uint row in rows[start..end])
                cells[2 * bin + (int)(row & 1)].Add(OutcomeCell.Row(Confidence(row)));
            double upperBound = end > start ? Confidence(rows[end - 1]) : lowerBound;
            bins[bin] = OutcomeBins.Bin(lowerBound, upperBound, cells.AsSpan(2 * bin, 2));
            (start, lowerBound) = (end, upperBound);
        }

        return (bins, cells);
    }

    /// <summary>The accuracy-rejection curve of the sorted rows.</summary>
    public AccuracyRejectionCurve AccuracyRejectionCurve()
    {
        ReadOnlySpan<uint> rows = CollectionsMarshal.AsSpan(_rows);
        List<AccuracyRejectionPoint> points = [];
        Stack<(double Accuracy, int Accepted, uint Confidence)> widest = [];      // points are made of those that stay only
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
            double accuracy = (accepted - wrong) / (double)accepted;
            while (widest.TryPeek(out var narrower) && narrower.Accuracy <= accuracy)
                widest.Pop();
            widest.Push((accuracy, accepted, confidence));
            if (everyThreshold || stepsNow > steps)
            {
                points.Add(Point(widest.Peek()));
                steps = stepsNow;
            }
        }

        return new AccuracyRejectionCurve(points, [.. widest.Select(Point)], area / rows.Length, SmallestArea(wrong) / rows.Length);

        AccuracyRejectionPoint Point((double Accuracy, int Accepted, uint Confidence) threshold) => new(
            threshold.Accepted / (double)Count, threshold.Accuracy, BitConverter.UInt32BitsToSingle(threshold.Confidence));
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

    private static int NearestEnd(ReadOnlySpan<uint> rows, double wished)
    {
        int place = (int)wished;
        if (place >= rows.Length)
            return rows.Length;

        // All rows of one confidence lie between its row that was wrong, if there is one, and the next confidence.
        int below = Place(rows, rows[place] & ~1u);
        int above = Place(rows, (rows[place] | 1u) + 1);
        return wished - below <= above - wished ? below : above;
    }

    /// <summary>The number of rows below a value.</summary>
    private static int Place(ReadOnlySpan<uint> rows, uint value)
    {
        int low = 0;
        int high = rows.Length;
        while (low < high)
        {
            int middle = low + (high - low) / 2;
            if (rows[middle] < value)
                low = middle + 1;
            else
                high = middle;
        }

        return low;
    }

    private static double Confidence(uint row) => BitConverter.UInt32BitsToSingle(row >> 1);
}
