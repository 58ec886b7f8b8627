namespace Microsoft.ML.SharpnessAware.Tests.Docs;

/// <summary>The example that docs/calibration.md works by hand.</summary>
[TestClass]
public sealed class CalibrationPageTests
{
    private readonly MulticlassCalibrationMetrics _metrics = CalibrationMetrics.Compute(
        [
            .90f, .05f, .05f,
            .85f, .10f, .05f,
            .10f, .70f, .20f,
            .25f, .65f, .10f,
            .30f, .20f, .50f,
            .20f, .35f, .45f,
            .05f, .05f, .90f,
            .15f, .75f, .10f,
        ],
        [0, 1, 1, 0, 2, 1, 2, 1], numberOfClasses: 3, numberOfBins: 5);

    [TestMethod]
    public void TheExampleWorkedByHandIsWhatTheLibraryComputes()
    {
        Assert.AreEqual(0.625, _metrics.Accuracy, 1e-7);
        Assert.AreEqual(0.7125, _metrics.MeanConfidence, 1e-7);
        Assert.AreEqual(0.1, _metrics.ExpectedCalibrationError, 1e-7);
        Assert.AreEqual(0.75 / 8, _metrics.ExpectedOverconfidence, 1e-7);
        Assert.AreEqual(0.05 / 8, _metrics.ExpectedUnderconfidence, 1e-7);
        Assert.AreEqual(0.65 / 3, _metrics.MaximumCalibrationError, 1e-7);
        Assert.AreEqual(Math.Sqrt((2 * 0.025 * 0.025 + 0.1 * 0.1 / 3 + 0.65 * 0.65 / 3) / 8), _metrics.RootMeanSquareCalibrationError,
            1e-7);
        Assert.AreEqual(0, _metrics.DebiasedRootMeanSquareCalibrationError);
        Assert.AreEqual(0.48, _metrics.BrierScore, 1e-7);
        Assert.AreEqual(0.786, _metrics.LogLoss, 5e-4);
    }

    [TestMethod]
    public void SoIsItsRejectionCurve()
    {
        AccuracyRejectionCurve curve = _metrics.AccuracyRejectionCurve;
        Assert.AreEqual((1.0 / 3 + 1.0 / 4 + 1.0 / 5 + 1.0 / 3 + 2.0 / 7 + 3.0 / 8) / 8, curve.AreaUnderRiskCoverageCurve, 1e-12);
        Assert.AreEqual(5.0 / 8, curve.CoverageAt(0.75));
        Assert.AreEqual(0.70, curve.ThresholdAt(0.75), 1e-7);
    }
}
