namespace Microsoft.ML.SharpnessAware;

/// <summary>A test of whether a model is calibrated.</summary>
/// <param name="Statistic">What the test looks at; 0 is what a calibrated model tends to.</param>
/// <param name="PValue">The probability that a calibrated model shows a statistic at least as far from 0: a small one speaks against the
/// model, though one calibrated model in twenty has one below 0.05, too. A large value proves nothing; on few rows it may be chance. NaN
/// where the rows leave nothing to chance. Where fewer than 100 of the rows' less probable outcomes are to be expected, it is measured on
/// 9,999 draws of the outcomes that a calibrated model would have had (so at least 0.0001), that of Kolmogorov and Smirnov's test also
/// where there are at most 100 different probabilities; elsewhere it is that of the limit for many rows.</param>
public sealed record CalibrationTest(double Statistic, double PValue)
{
    /// <summary>The numbers as "1.2345 (p = 0.217)", in invariant culture.</summary>
    public override string ToString() => Invariant($"{Statistic:F4} (p = {PValue:F3})");
}
