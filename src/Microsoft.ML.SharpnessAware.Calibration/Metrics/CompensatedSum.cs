namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A running sum with Neumaier's compensation: its error does not grow with the number of terms, so a mean over a billion rows
/// is as exact as one over ten.
/// </summary>
internal struct CompensatedSum
{
    private double _sum;
    private double _lost;

    public readonly double Value => _sum + _lost;

    public void Add(double term)
    {
        double sum = _sum + term;
        _lost += Math.Abs(_sum) >= Math.Abs(term) ? _sum - sum + term : term - sum + _sum;
        _sum = sum;
    }
}
