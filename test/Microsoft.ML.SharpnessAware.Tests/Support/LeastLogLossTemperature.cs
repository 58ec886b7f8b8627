namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>The temperature of the least log loss alone, without prior and cross-fit.</summary>
internal static class LeastLogLossTemperature
{
    public static double Fit(ReadOnlySpan<float> logits, ReadOnlySpan<int> labels, int numberOfClasses) =>
        TemperatureScaling.FitWithPrior(logits, labels, numberOfClasses, new TemperaturePrior(0, double.PositiveInfinity));
}
