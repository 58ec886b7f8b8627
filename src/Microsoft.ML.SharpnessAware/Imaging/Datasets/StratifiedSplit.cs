namespace Microsoft.ML.SharpnessAware;

/// <summary>Splits rows into training and validation so that both have the classes in the same proportions.</summary>
internal static class StratifiedSplit
{
    /// <summary>
    /// Takes about <paramref name="fraction"/> of the rows of each class for validation, at random. The counts are fair: each class gives
    /// its exact share rounded down or up, such that all classes together give the whole's share rounded, where every class can keep a row
    /// for training, as it always does.
    /// </summary>
    /// <param name="labels">The class of each row, from 0.</param>
    /// <param name="fraction">From 0 (no validation rows) to less than 1.</param>
    /// <param name="seed">The same seed gives the same split.</param>
    /// <returns>The row numbers of both parts, ascending.</returns>
    public static (long[] Training, long[] Validation) Split(ReadOnlySpan<long> labels, double fraction, int seed)
    {
        if (!(fraction >= 0 && fraction < 1))
            throw new ArgumentOutOfRangeException(nameof(fraction), fraction, "The fraction must be at least 0 and less than 1.");

        Random random = SeededRandom.Create(seed);
        long[][] classes = RowsByClass(labels);
        foreach (long[] rows in classes)
            random.Shuffle(rows);
        random.Shuffle(classes); // so that the lowest classes are not always those that are rounded up

        int[] takes = Apportion(classes, fraction, labels.Length);
        long[] validation = [.. classes.Zip(takes, (rows, take) => rows.Take(take)).SelectMany(rows => rows).Order()];
        long[] training = [.. classes.Zip(takes, (rows, take) => rows.Skip(take)).SelectMany(rows => rows).Order()];
        return (training, validation);
    }

    private static long[][] RowsByClass(ReadOnlySpan<long> labels)
    {
        var classes = new SortedDictionary<long, List<long>>();
        for (int row = 0; row < labels.Length; row++)
        {
            if (!classes.TryGetValue(labels[row], out List<long>? rows))
                classes.Add(labels[row], rows = []);
            rows.Add(row);
        }

        return [.. classes.Values.Select(rows => rows.ToArray())];
    }

    // Largest remainders: everyone's share rounded down, then one more for those who lost most, until the total is right.
    private static int[] Apportion(long[][] classes, double fraction, int total)
    {
        int[] takes = [.. classes.Select(rows => Math.Min((int)(fraction * rows.Length), rows.Length - 1))];
        int missing = (int)Math.Round(fraction * total, MidpointRounding.AwayFromZero) - takes.Sum();
        IEnumerable<int> byRemainder = Enumerable.Range(0, classes.Length)
            .Where(i => takes[i] < Math.Min(fraction * classes[i].Length, classes[i].Length - 1))
            .OrderByDescending(i => (fraction * classes[i].Length) - takes[i]);
        foreach (int i in byRemainder.Take(Math.Max(0, missing)))
            takes[i]++;
        return takes;
    }
}
