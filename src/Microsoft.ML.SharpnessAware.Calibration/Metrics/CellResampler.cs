using System.Runtime.Intrinsics;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Draws what the sums in the cells would be if as many rows as there are were drawn from them with replacement: the numbers of rows are
/// multinomial; the sums of so many rows of a cell are taken as normal, with the mean and the variance of the rows in it.
/// </summary>
internal sealed class CellResampler
{
    private readonly long[] _count;
    private readonly Vector256<double>[] _mean;
    private readonly Vector256<double>[] _variance;
    private readonly long _rows;
    private readonly BootstrapRandom _random;

    public CellResampler(ReadOnlySpan<OutcomeCell> cells, BootstrapRandom random)
    {
        _random = random;
        _count = new long[cells.Length];
        _mean = new Vector256<double>[cells.Length];
        _variance = new Vector256<double>[cells.Length];
        Counts = new long[cells.Length];
        Sums = new Vector256<double>[cells.Length];
        for (int i = 0; i < cells.Length; i++)
        {
            double count = Math.Max(1, cells[i].Count);
            _count[i] = cells[i].Count;
            _rows += cells[i].Count;
            _mean[i] = cells[i].Sum / count;
            _variance[i] = Vector256.Max(Vector256<double>.Zero, cells[i].SumOfSquares / count - _mean[i] * _mean[i]);
        }
    }

    /// <summary>The numbers of rows in the cells of the last resample.</summary>
    public long[] Counts { get; }

    /// <summary>The sums of the cells of the last resample.</summary>
    public Vector256<double>[] Sums { get; }

    public void Draw()
    {
        long rowsLeft = _rows;          // of the resample
        long sourceLeft = _rows;        // of the rows that are drawn from
        for (int i = 0; i < _count.Length; i++)
        {
            // The number in this cell, given the numbers in those before.
            long count = _count[i] == sourceLeft ? rowsLeft : _random.NextBinomial(rowsLeft, _count[i] / (double)sourceLeft);
            rowsLeft -= count;
            sourceLeft -= _count[i];
            Counts[i] = count;
            Sums[i] = count == 0 ? default : count * _mean[i] + Vector256.Sqrt(count * _variance[i]) * NextNormals();
        }
    }

    private Vector256<double> NextNormals()
        => Vector256.Create(_random.NextNormal(), _random.NextNormal(), _random.NextNormal(), _random.NextNormal());
}
