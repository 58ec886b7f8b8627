namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>A SAM step against two plain passes, and SSAM's and CSAM's against SAM's.</summary>
internal static class StepBenchmark
{
    public static void Run(int rounds = 25)
    {
        Table table = new("Network and batch", "Two passes, ms", "SAM / two passes", "SSAM / SAM", "CSAM / SAM");
        foreach (StepSetting setting in StepSetting.All)
        {
            SideBySide sam = SamAgainstPlainPasses(setting, rounds);
            table.Add($"{setting}", $"{sam.TheirsMilliseconds.Median:F1}", sam.Ratio.Text(), Against(SharpnessAwareMethod.Ssam()),
                Against(SharpnessAwareMethod.Csam()));

            string Against(SharpnessAwareMethod method) => AgainstSam(setting, method, rounds).Ratio.Text();
        }
    }

    public static SideBySide SamAgainstPlainPasses(StepSetting setting, int rounds)
    {
        using TrainingStep sam = new(setting, SharpnessAwareMethod.Sam());
        using PlainPasses plain = new(setting);
        return SideBySide.Run(sam.Run, plain.Run, rounds);
    }

    public static SideBySide AgainstSam(StepSetting setting, SharpnessAwareMethod method, int rounds)
    {
        using TrainingStep ours = new(setting, method);
        using TrainingStep sam = new(setting, SharpnessAwareMethod.Sam());
        return SideBySide.Run(ours.Run, sam.Run, rounds);
    }
}
