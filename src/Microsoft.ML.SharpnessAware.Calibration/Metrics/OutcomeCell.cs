using System.Runtime.Intrinsics;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What is kept of the rows of one confidence bin that were predicted rightly (or wrongly): their number, and the sums and the sums of
/// squares of four numbers of each row. That is enough for the metrics and for resampling them.
/// </summary>
internal struct OutcomeCell
{
    // Compensated as CompensatedSum is (here by Knuth's two-sum, which has no branch), so that means do not lose digits with many rows.
    private Vector256<double> _sum;
    private Vector256<double> _lost;
    private Vector256<double> _squares;

    public long Count { get; private set; }

    /// <summary>Σ of <see cref="Row"/>'s numbers over the rows.</summary>
    public readonly Vector256<double> Sum => _sum + _lost;

    /// <summary>Σ of their squares.</summary>
    public readonly Vector256<double> SumOfSquares => _squares;

    /// <summary>The numbers of a row, in the order of the indices in <see cref="RowNumber"/>.</summary>
    public static Vector256<double> Row(double confidence, double logLoss = 0, double brierScore = 0, double entropy = 0)
        => Vector256.Create(confidence, logLoss, brierScore, entropy);

    public void Add(Vector256<double> row)
    {
        Vector256<double> sum = _sum + row;
        Vector256<double> added = sum - _sum;
        _lost += (_sum - (sum - added)) + (row - added);
        _sum = sum;
        _squares += row * row;
        Count++;
    }
}
