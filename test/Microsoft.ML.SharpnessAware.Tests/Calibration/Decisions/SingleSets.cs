namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>Sets of one class each, asked to hold the right one in nine of ten rows.</summary>
internal static class SingleSets
{
    /// <param name="fitted">How many rows each threshold was fitted on.</param>
    /// <param name="classes">Of each class how many rows there are, and how many of their sets hold it.</param>
    public static PredictionSetMetrics Of(double[] fitted, params (int Rows, int Covered)[] classes)
    {
        SetCounts counts = new(classes.Length);
        for (int k = 0; k < classes.Length; k++)
        {
            counts.Add(k, 1, holds: true, classes[k].Covered);
            counts.Add(k, 1, holds: false, classes[k].Rows - classes[k].Covered);
        }

        return new PredictionSetMetrics(counts, [.. classes.Select((_, k) => $"{k}")], 0) { CoverageAsked = .9, FittedRows = fitted };
    }
}
