namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Whether a temperature does harm to rows that it was not fitted on: the rows are dealt into ten parts, each is judged by the
/// temperature of the others, and its loss compared with that of T = 1, row by row.
/// </summary>
internal static class TemperatureCrossFit
{
    private const int Folds = 10;

    // With more rows a single number cannot overfit them so that it would show: it is off by about 1/√rows.
    private const int MaximumRows = 2000;

    public static bool ShowsHarm(TemperatureLoss loss, TemperaturePrior prior, double beta)
    {
        if (loss.Count > MaximumRows || double.IsPositiveInfinity(prior.HarmDeviations))
            return false;
        int[] folds = Deal(loss, Folds);
        bool[] included = new bool[loss.Count];
        double sum = 0, squares = 0;
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
                squares += worse * worse;
            }
        }

        double mean = sum / loss.Count;
        double variance = (squares / loss.Count - mean * mean) / Math.Max(1, loss.Count - 1);
        return mean > 0 && mean > prior.HarmDeviations * Math.Sqrt(Math.Max(0, variance));
    }

    /// <summary>By rank of the loss, so that each part has its share of bad rows, and so that the order of the rows does not
    /// matter.</summary>
    public static int[] Deal(TemperatureLoss loss, int numberOfFolds)
    {
        (double Loss, double Warmer)[] keys = new (double, double)[loss.Count];
        for (int row = 0; row < keys.Length; row++)
            keys[row] = (loss.LogLossOf(row, 1), loss.LogLossOf(row, 0.5));
        int[] rows = new int[keys.Length], folds = new int[keys.Length];
        for (int row = 0; row < rows.Length; row++)
            rows[row] = row;
        Array.Sort(keys, rows);
        for (int rank = 0; rank < rows.Length; rank++)
            folds[rows[rank]] = rank % numberOfFolds;
        return folds;
    }
}
