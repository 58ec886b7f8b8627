namespace Microsoft.ML.SharpnessAware;

/// <summary>STUB.</summary>
public sealed class AccuracyRejectionCurve
{
    internal AccuracyRejectionCurve(IReadOnlyList<AccuracyRejectionPoint> points) => Points = points;

    /// <summary>STUB.</summary>
    public IReadOnlyList<AccuracyRejectionPoint> Points { get; }

    /// <summary>STUB.</summary>
    public double AreaUnderRiskCoverageCurve => Points.Average(point => 1 - point.Accuracy);

    /// <summary>STUB.</summary>
    public double ExcessAreaUnderRiskCoverageCurve => AreaUnderRiskCoverageCurve / 2;

    /// <summary>STUB.</summary>
    /// <param name="accuracy">Stub.</param>
    public double CoverageAt(double accuracy) => Points.LastOrDefault(point => point.Accuracy >= accuracy)?.Coverage ?? 0;

    /// <summary>STUB.</summary>
    /// <param name="accuracy">Stub.</param>
    public double ThresholdAt(double accuracy) => Points.LastOrDefault(point => point.Accuracy >= accuracy)?.Threshold ?? double.NaN;
}
