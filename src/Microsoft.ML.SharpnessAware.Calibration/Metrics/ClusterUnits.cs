namespace Microsoft.ML.SharpnessAware;

/// <summary>Clusters of rows in the form in which they are drawn: each by itself, or, where they are very many, in bundles, which are
/// independent as well.</summary>
internal sealed class ClusterUnits
{
    // The ends of an interval do not gain from more.
    private const int MostUnits = 10_000;
    private const int MostCells = 1 << 19;

    /// <param name="clusters">What each row belongs to, counted from 0.</param>
    /// <param name="numberOfBins">How many numbers are kept for each unit.</param>
    public ClusterUnits(List<int> clusters, int numberOfBins)
    {
        NumberOfClusters = clusters.Distinct().Count();
        Count = Math.Min(NumberOfClusters, Math.Min(MostUnits, Math.Max(1, MostCells / numberOfBins)));
        OfRow = new int[clusters.Count];
        int[] unitOf = new int[clusters.Max() + 1];
        Array.Fill(unitOf, -1);
        int seen = 0;
        for (int row = 0; row < OfRow.Length; row++)
        {
            ref int unit = ref unitOf[clusters[row]];
            if (unit < 0)
            {
                // Clusters that follow each other in the data may be alike, so they are spread by a hash; few get one each.
                ulong hash = (ulong)seen;
                unit = NumberOfClusters == Count ? seen : (int)(SplitMix64.Next(ref hash) % (ulong)Count);
                seen++;
            }

            OfRow[row] = unit;
        }
    }

    public int NumberOfClusters { get; }

    /// <summary>The number of units.</summary>
    public int Count { get; }

    /// <summary>The unit of each row.</summary>
    public int[] OfRow { get; }

    /// <summary>Draws from few clusters vary less than clusters do.</summary>
    public double Spread => Math.Sqrt(NumberOfClusters / Math.Max(1, NumberOfClusters - 1.0));
}
