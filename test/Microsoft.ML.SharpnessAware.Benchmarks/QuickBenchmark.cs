namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>
/// A look at the most important ratios in under a minute. The bounds are far from the targets, because the machine may be busy: what they
/// catch is a step that makes a third pass or scoring that goes row by row.
/// </summary>
internal static class QuickBenchmark
{
    public static bool Run()
    {
        bool allGood = true;
        Check("SAM step / two plain passes", StepBenchmark.SamAgainstPlainPasses(StepSetting.Small, rounds: 9).Ratio.Median, limit: 1.4);
        Check("SSAM step / SAM step", StepBenchmark.AgainstSam(StepSetting.Small, SharpnessAwareMethod.Ssam(), rounds: 9).Ratio.Median,
            limit: 1.4);
        Check("CSAM step / SAM step", StepBenchmark.AgainstSam(StepSetting.Small, SharpnessAwareMethod.Csam(), rounds: 9).Ratio.Median,
            limit: 1.4);
        (SideBySide scoring, double perRow) = ScoringBenchmark.Compare(NetworkArchitecture.ResNet8, rows: 2_000, rounds: 5);
        Check("Transform / raw passes, 2,000 rows", scoring.Ratio.Median, limit: 2);
        Check("Transform / row by row", scoring.OursMilliseconds.Median / 2_000 / perRow, limit: 0.6);
        Check("EvaluateCalibration / Evaluate, 200,000 rows", EvaluateBenchmark.Compare(new MLContext(seed: 1), 200_000, 10).Ratio.Median,
            limit: 3);
        return allGood;

        void Check(string name, double ratio, double limit)
        {
            bool good = ratio <= limit;
            allGood &= good;
            Console.WriteLine($"{(good ? "ok  " : "FAR OFF")} {name}: {ratio:F2} (at most {limit:F1})");
        }
    }
}
