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
        CheckFraction(fraction);
        Random random = SeededRandom.Create(seed);
        long[][] classes = RowsByClass(labels);
        foreach (long[] rows in classes)
            random.Shuffle(rows);
        random.Shuffle(classes); // so that the lowest classes are not always those that are rounded up

        return Parts(classes, fraction, labels.Length, (_, _) => 0);
    }

    /// <summary>
    /// The same, but the rows that a class gives for validation follow each other among its rows: pictures of one person, of one afternoon
    /// or from one film mostly do. Of a fifth the seed chooses whether it is the first, the second and so on, the same of all classes.
    /// </summary>
    /// <param name="labels">The class of each row, from 0.</param>
    /// <param name="fraction">From 0 (no validation rows) to less than 1.</param>
    /// <param name="seed">The same seed gives the same split.</param>
    /// <returns>The row numbers of both parts, ascending.</returns>
    public static (long[] Training, long[] Validation) SplitTogether(ReadOnlySpan<long> labels, double fraction, int seed)
    {
        CheckFraction(fraction);
        Random random = SeededRandom.Create(seed);
        long[][] classes = RowsByClass(labels);
        random.Shuffle(classes);
        double place = fraction > 0 ? random.Next((int)Math.Min(1 / fraction, labels.Length)) * fraction : 0;
        return Parts(classes, fraction, labels.Length, (count, take) => Math.Min((int)(place * count), count - take));
    }

    private static void CheckFraction(double fraction)
    {
        if (!(fraction >= 0 && fraction < 1))
            throw new ArgumentOutOfRangeException(nameof(fraction), fraction, "The fraction must be at least 0 and less than 1.");
    }

    /// <param name="classes">The rows of each class.</param>
    /// <param name="fraction">The share for validation.</param>
    /// <param name="total">How many rows there are.</param>
    /// <param name="start">Where, in a class of so many rows, those begin that are taken, of which there are so many.</param>
    private static (long[] Training, long[] Validation) Parts(long[][] classes, double fraction, int total, Func<int, int, int> start)
    {
        int[] takes = Apportion(classes, fraction, total);
        long[] validation = [.. classes.Zip(takes, (rows, take) => rows.AsSpan(start(rows.Length, take), take).ToArray())
            .SelectMany(rows => rows).Order()];
        long[] training = [.. classes.SelectMany(rows => rows).Except(validation).Order()];
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
