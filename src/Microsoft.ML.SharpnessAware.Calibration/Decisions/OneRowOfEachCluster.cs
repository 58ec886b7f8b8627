namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Of the rows of each cluster one, drawn by their places alone. Such rows are independent where clusters are, which is what promises rest
/// on (Dunn, Wasserman and Ramdas 2022, "Distribution-free prediction sets for two-layer hierarchical models", single subsampling).
/// </summary>
/// <param name="seed">Of the draws.</param>
internal sealed class OneRowOfEachCluster(int seed)
{
    private readonly List<Choice> _choices = [];

    /// <summary>Takes a row, and keeps it if its draw is the least of its cluster.</summary>
    /// <param name="probabilities">The row.</param>
    /// <param name="label">Its class.</param>
    /// <param name="cluster">The number of its cluster, counted from 0 in the order in which they come.</param>
    public void Add(ReadOnlySpan<float> probabilities, int label, int cluster)
    {
        if (cluster == _choices.Count)
            _choices.Add(new Choice(probabilities.Length));
        Choice choice = _choices[cluster];
        ulong draw = Draw(cluster, choice.Rows++);
        if (draw > choice.Least)
            return;
        (choice.Least, choice.Label) = (draw, label);
        probabilities.CopyTo(choice.Row);
    }

    /// <summary>Goes through the rows that are kept, cluster by cluster.</summary>
    public void ForEach(Action<float[], int> action)
    {
        foreach (Choice choice in _choices)
            action(choice.Row, choice.Label);
    }

    // By the cluster, too: the first row of a film or a visit may be of another kind than the others.
    private ulong Draw(int cluster, int place)
    {
        ulong state = (uint)seed;
        foreach (int number in (ReadOnlySpan<int>)[cluster, place])
            state = SplitMix64.Next(ref state) ^ (uint)number;
        return SplitMix64.Next(ref state);
    }

    private sealed class Choice(int numberOfClasses)
    {
        public int Rows { get; set; }

        public ulong Least { get; set; } = ulong.MaxValue;

        public int Label { get; set; }

        public float[] Row { get; } = new float[numberOfClasses];
    }
}
