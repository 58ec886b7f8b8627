namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Whether a temperature does harm to rows that it was not fitted on: the rows are dealt into ten parts, each is judged by the
/// temperature of the others, and its loss compared with that of T = 1, row by row. Rows that belong together come into one part.
/// </summary>
internal static class TemperatureCrossFit
{
    private const int Folds = 10;

    // With more rows, or groups of them, a single number cannot overfit them so that it would show: it is off by about 1/√rows.
    private const int MaximumRows = 2000;

    // Of many rows in few groups ten more fits would take minutes.
    private const int MaximumScores = 1 << 23;

    /// <param name="loss">The rows.</param>
    /// <param name="prior">How far the temperature is held to 1.</param>
    /// <param name="beta">1/T of all rows.</param>
    /// <param name="groups">What each row belongs to; null where rows are independent.</param>
    public static bool ShowsHarm(TemperatureLoss loss, TemperaturePrior prior, double beta, int[]? groups = null)
    {
        if (double.IsPositiveInfinity(prior.HarmDeviations))
            return false;
        int[] unitOf = groups ?? Rows(loss.Count), sizes = Sizes(unitOf);
        int units = sizes.Count(size => size > 0);
        if (units > MaximumRows || (loss.Count > MaximumRows && (long)loss.Count * loss.NumberOfClasses > MaximumScores))
            return false;
        int[] folds = Deal(loss, Folds, unitOf, sizes);
        bool[] included = new bool[loss.Count];
        double[] worseOfUnit = new double[sizes.Length];
        double sum = 0;
        for (int fold = 0; fold < Folds; fold++)
        {
            for (int row = 0; row < included.Length; row++)
                included[row] = folds[row] != fold;
            if (Array.TrueForAll(included, isIncluded => isIncluded))
                continue;
            double ofOthers = TemperatureScaling.Minimize(loss, prior.Weight, beta, included);
            for (int row = 0; row < included.Length; row++)
            {
                if (included[row])
                    continue;
                double worse = loss.LogLossOf(row, ofOthers) - loss.LogLossOf(row, 1);
                sum += worse;
                worseOfUnit[unitOf[row]] += worse;
            }
        }

        // Rows of a group vary together.
        double mean = sum / loss.Count, squares = 0;
        for (int unit = 0; unit < sizes.Length; unit++)
            squares += Math.Pow(worseOfUnit[unit] - mean * sizes[unit], 2);
        double variance = squares / loss.Count / loss.Count * units / Math.Max(1, units - 1);
        return mean > 0 && mean > prior.HarmDeviations * Math.Sqrt(variance);
    }

    /// <summary>By rank of the loss, so that each part has its share of bad rows, and so that the order of the rows does not
    /// matter.</summary>
    /// <param name="loss">The rows.</param>
    /// <param name="numberOfFolds">The number of parts. Some have no rows where there are fewer rows or groups.</param>
    /// <param name="groups">What each row belongs to, which no two parts have rows of; null where rows are independent.</param>
    /// <returns>The part of each row.</returns>
    public static int[] Deal(TemperatureLoss loss, int numberOfFolds, int[]? groups = null)
    {
        int[] unitOf = groups ?? Rows(loss.Count);
        return Deal(loss, numberOfFolds, unitOf, Sizes(unitOf));
    }

    private static int[] Deal(TemperatureLoss loss, int numberOfFolds, int[] unitOf, int[] sizes)
    {
        (double Loss, double Warmer)[] sums = new (double, double)[sizes.Length];
        for (int row = 0; row < unitOf.Length; row++)
        {
            ref (double Loss, double Warmer) sum = ref sums[unitOf[row]];
            sum = (sum.Loss + loss.LogLossOf(row, 1), sum.Warmer + loss.LogLossOf(row, 0.5));
        }

        int[] units = [.. Rows(sizes.Length).Where(unit => sizes[unit] > 0)];
        Array.Sort(Array.ConvertAll(units, unit => (sums[unit].Loss / sizes[unit], sums[unit].Warmer / sizes[unit])), units);
        int[] foldOf = new int[sizes.Length], rows = new int[numberOfFolds];
        foreach (int unit in units)
        {
            int fold = Array.IndexOf(rows, rows.Min());        // in turn, where each unit is a row
            rows[foldOf[unit] = fold] += sizes[unit];
        }

        return Array.ConvertAll(unitOf, unit => foldOf[unit]);
    }

    /// <summary>0, 1, 2, …: each row by itself.</summary>
    private static int[] Rows(int count) => [.. Enumerable.Range(0, count)];

    private static int[] Sizes(int[] unitOf)
    {
        int[] sizes = new int[unitOf.Max() + 1];
        foreach (int unit in unitOf)
            sizes[unit]++;
        return sizes;
    }
}
