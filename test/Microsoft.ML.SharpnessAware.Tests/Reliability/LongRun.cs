namespace Microsoft.ML.SharpnessAware.Tests.Reliability;

/// <summary>Whether to take the time that the figures in docs/reliability.md took: MLSHARPNESS_LONG=1. Otherwise a few seconds a
/// test.</summary>
internal static class LongRun
{
    public static bool IsOn => Environment.GetEnvironmentVariable("MLSHARPNESS_LONG") == "1";

    public static T Choose<T>(T usually, T inTheLongRun) => IsOn ? inTheLongRun : usually;
}
