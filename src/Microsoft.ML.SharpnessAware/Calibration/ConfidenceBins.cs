namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Bins of equal width on [0, 1], right-closed: bin b holds (b/B, (b+1)/B]; 0 joins the first bin.
/// </summary>
/// <remarks>
/// Scores are float32, so the edges are too: each is the float32 nearest to b/B. The score 0.2f is then <em>on</em> the edge 3/15 and
/// belongs to the bin below, as 0.2 does on paper. Against edges in double it would lie above, because 0.2f is 0.200000003.
/// </remarks>
internal sealed class ConfidenceBins
{
    private readonly float[] _upperEdges;

    public ConfidenceBins(int count)
    {
        if (count is < 1 or > CalibrationMetrics.MaximumNumberOfBins)
            throw new ArgumentOutOfRangeException("numberOfBins", count,
                $"The number of bins must lie in [1, {CalibrationMetrics.MaximumNumberOfBins}].");
        _upperEdges = [.. Enumerable.Range(0, count).Select(bin => (float)UpperBound(bin, count))];
    }

    public int Count => _upperEdges.Length;

    public double LowerBound(int bin) => UpperBound(bin - 1, Count);

    public double UpperBound(int bin) => UpperBound(bin, Count);

    /// <summary>The bin of a probability. Rounding errors above 1 belong to the last bin.</summary>
    public int IndexOf(float probability)
    {
        // The product may round up to the next integer; the edge itself decides.
        int bin = Math.Min((int)(probability * _upperEdges.Length), _upperEdges.Length - 1);
        return bin > 0 && probability <= _upperEdges[bin - 1] ? bin - 1 : bin;
    }

    private static double UpperBound(int bin, int count) => (bin + 1) / (double)count;
}
