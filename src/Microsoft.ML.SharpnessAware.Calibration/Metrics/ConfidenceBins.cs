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
    // The lower edge of each bin. Nothing lies below the first: its own is less than any probability, because 0 belongs to it.
    private readonly float[] _lowerEdges;

    public ConfidenceBins(int count)
    {
        if (count is < 1 or > CalibrationMetrics.MaximumNumberOfBins)
            throw new ArgumentOutOfRangeException("numberOfBins", count,
                $"The number of bins must lie in [1, {CalibrationMetrics.MaximumNumberOfBins}].");
        _lowerEdges = [-1, .. Enumerable.Range(0, count - 1).Select(bin => (float)UpperBound(bin, count))];
    }

    public int Count => _lowerEdges.Length;

    public double LowerBound(int bin) => UpperBound(bin - 1, Count);

    public double UpperBound(int bin) => UpperBound(bin, Count);

    /// <summary>The bin of a probability. Rounding errors above 1 belong to the last bin.</summary>
    public int IndexOf(float probability)
    {
        // The product may round up to the next integer; the edge itself decides. Native conversion: it is in the innermost loop, and a
        // probability needs no saturation.
        float[] lowerEdges = _lowerEdges;
        int bin = Math.Min(float.ConvertToIntegerNative<int>(probability * lowerEdges.Length), lowerEdges.Length - 1);
        return probability <= lowerEdges[bin] ? bin - 1 : bin;
    }

    private static double UpperBound(int bin, int count) => (bin + 1) / (double)count;
}
