namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>How far a calibrator is drawn back to the temperature alone.</summary>
[TestClass]
public sealed class ShrunkenFitTests
{
    /// <summary>
    /// Rows that say nothing, 53 and 47 of them by chance, and one whose class has the probability 0. That row costs what a probability
    /// next to 0 does with or without a calibrator, so it is no reason to believe the 53.
    /// </summary>
    [TestMethod]
    [DataRow("Vector")]
    [DataRow("Dirichlet")]
    [DataRow("StructuredMatrix")]
    public void AWrongRowOfProbabilityZeroIsNoReasonToFitWhatIsChance(string kind)
    {
        ScoredRows rows = ScoredRows.Of(2,
            [.. Enumerable.Range(0, 100).Select(i => (i < 53 ? 0 : 1, new[] { .5f, .5f })), (1, new[] { 1f, 0 })]);
        float[] row = [.5f, .5f];
        CalibratorFits.Fit(kind, rows).Calibrate(row, row);
        Assert.AreEqual(.5f, row[0], 1e-4f);
    }
}
