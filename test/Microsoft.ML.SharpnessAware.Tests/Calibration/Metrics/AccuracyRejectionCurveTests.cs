using CsCheck;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class AccuracyRejectionCurveTests
{
    private const double Exact = 1e-12;

    // Right: 1, .8, .7, .5. Wrong: .9, .6.
    private static readonly float[] Confidences = [.9f, .5f, 1f, .7f, .6f, .8f];
    private static readonly int[] Labels = [1, 0, 0, 0, 1, 0];

    /// <summary>Accepting one more row each time, in descending confidence, the wrong ones are 0, 1, 1, 1, 2, 2.</summary>
    [TestMethod]
    public void PointsAndAreasByHand()
    {
        AccuracyRejectionCurve curve = Curve(Confidences, Labels);
        AccuracyRejectionPoint[] expected =
        [
            new(1 / 6.0, 1, 1), new(2 / 6.0, 1 / 2.0, .9f), new(3 / 6.0, 2 / 3.0, .8f),
            new(4 / 6.0, 3 / 4.0, .7f), new(5 / 6.0, 3 / 5.0, .6f), new(1, 4 / 6.0, .5f),
        ];
        CollectionAssert.AreEqual(expected, curve.Points.ToArray());
        double area = (0 + 1 / 2.0 + 1 / 3.0 + 1 / 4.0 + 2 / 5.0 + 2 / 6.0) / 6;
        double best = (1 / 5.0 + 2 / 6.0) / 6;
        Assert.AreEqual(area, curve.AreaUnderRiskCoverageCurve, Exact);
        Assert.AreEqual(area - best, curve.ExcessAreaUnderRiskCoverageCurve, Exact);
    }

    [TestMethod]
    [DataRow(1.0, 1 / 6.0, 1f)]
    [DataRow(0.75, 4 / 6.0, .7f)]
    [DataRow(0.7, 4 / 6.0, .7f)]
    [DataRow(4 / 6.0, 1.0, .5f)]
    [DataRow(0.0, 1.0, .5f)]
    public void CoverageAndThresholdOfAWishedAccuracy(double accuracy, double coverage, float threshold)
    {
        AccuracyRejectionCurve curve = Curve(Confidences, Labels);
        Assert.AreEqual(coverage, curve.CoverageAt(accuracy), Exact);
        Assert.AreEqual(threshold, curve.ThresholdAt(accuracy), Exact);
    }

    [TestMethod]
    public void AnAccuracyThatIsNeverReachedCoversNothing()
    {
        AccuracyRejectionCurve curve = Curve([.9f, .8f], [1, 0]);
        Assert.AreEqual(0.0, curve.CoverageAt(0.6));
        Assert.AreEqual(double.PositiveInfinity, curve.ThresholdAt(0.6));
    }

    [TestMethod]
    [DataRow(-0.01)]
    [DataRow(1.01)]
    [DataRow(double.NaN)]
    public void AnAccuracyOutsideItsRangeIsRefused(double accuracy)
    {
        AccuracyRejectionCurve curve = Curve(Confidences, Labels);
        Assert.AreEqual("accuracy",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => curve.CoverageAt(accuracy)).ParamName);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => curve.ThresholdAt(accuracy));
    }

    /// <summary>Thresholds are exact however many confidences there are: 2,000 rows, of which the surest alone is right.</summary>
    [TestMethod]
    public void TheSurestRowOfManyIsFound()
    {
        float[] confidences = [.. Enumerable.Range(0, 2000).Select(i => 1 - i / 4000f)];
        AccuracyRejectionCurve curve = Curve(confidences, [.. Enumerable.Range(0, 2000).Select(i => i == 0 ? 0 : 1)]);
        Assert.AreEqual(0.0005, curve.CoverageAt(1));
        Assert.AreEqual(1.0, curve.ThresholdAt(1));
        Assert.AreEqual(0.001, curve.CoverageAt(0.5));
        Assert.AreEqual(1.0, curve.CoverageAt(0.0005));
    }

    [TestMethod]
    public void ThresholdsOfManyRowsAreThoseOfTryingEachOne() => Gen.Select(Gen.Int, Gen.Double[0.3, 1]).Sample((seed, share) =>
    {
        const int Rows = 3000;
        Random random = new(seed);
        float[] confidences = [.. Enumerable.Range(0, Rows).Select(_ => 0.5f + random.Next(1, 4000) / 8000f)];
        int[] labels = [.. confidences.Select(_ => random.NextDouble() < share ? 0 : 1)];
        AccuracyRejectionCurve curve = Curve(confidences, labels);
        double wished = random.NextDouble();
        (double Coverage, float Threshold) expected = (0, float.PositiveInfinity);
        int[] order = [.. Enumerable.Range(0, Rows).OrderByDescending(row => confidences[row])];
        for (int accepted = 1, right = 0; accepted <= Rows; accepted++)
        {
            right += 1 - labels[order[accepted - 1]];
            bool isEnd = accepted == Rows || confidences[order[accepted]] < confidences[order[accepted - 1]];
            if (isEnd && right / (double)accepted >= wished)
                expected = (accepted / (double)Rows, confidences[order[accepted - 1]]);
        }

        Assert.AreEqual(expected.Coverage, curve.CoverageAt(wished));
        Assert.AreEqual(expected.Threshold, curve.ThresholdAt(wished));
    }, iter: 20);

    [TestMethod]
    public void EqualConfidencesStayTogether()
    {
        AccuracyRejectionCurve curve = Curve([.8f, .8f, .6f], [0, 1, 0]);
        CollectionAssert.AreEqual(
            new AccuracyRejectionPoint[] { new(2 / 3.0, 1 / 2.0, .8f), new(1, 2 / 3.0, .6f) }, curve.Points.ToArray());
        Assert.AreEqual((2 * (1 / 2.0) + 1 / 3.0) / 3, curve.AreaUnderRiskCoverageCurve, Exact);
    }

    [TestMethod]
    public void AConfidenceThatSeparatesRightFromWrongHasNoExcessArea()
        => Assert.AreEqual(0, Curve([.9f, .8f, .7f, .6f], [0, 0, 1, 1]).ExcessAreaUnderRiskCoverageCurve, Exact);

    /// <summary>Geifman et al.'s form of the best area is its limit for many rows.</summary>
    [TestMethod]
    public void TheBestAreaTendsToTheFormOfThePaper()
    {
        const int Rows = 100_000;
        Random random = new(3);
        float[] confidences = [.. Enumerable.Range(0, Rows).Select(_ => 0.5f + 0.5f * random.NextSingle())];
        int[] labels = [.. confidences.Select(confidence => random.NextSingle() < confidence ? 0 : 1)];
        AccuracyRejectionCurve curve = Curve(confidences, labels);
        double risk = 1 - curve.Points[^1].Accuracy;
        Assert.AreEqual(risk + (1 - risk) * Math.Log(1 - risk),
            curve.AreaUnderRiskCoverageCurve - curve.ExcessAreaUnderRiskCoverageCurve, 1e-5);

        Assert.IsLessThanOrEqualTo(AccuracyRejectionCurve.MaximumNumberOfPoints, curve.Points.Count);
        Assert.IsGreaterThan(AccuracyRejectionCurve.MaximumNumberOfPoints * 9 / 10, curve.Points.Count);
    }

    [TestMethod]
    public void EveryPointIsWhatItsThresholdAccepts() => Gen.Select(Gen.Int[1, 40], Gen.Int).Sample((rows, seed) =>
    {
        Random random = new(seed);
        float[] confidences = [.. Enumerable.Range(0, rows).Select(_ => 0.5f + random.Next(1, 9) / 16f)];
        int[] labels = [.. Enumerable.Range(0, rows).Select(_ => random.Next(2))];
        AccuracyRejectionCurve curve = Curve(confidences, labels);
        Assert.AreEqual(confidences.Distinct().Count(), curve.Points.Count);
        Assert.AreEqual(1.0, curve.Points[^1].Coverage);
        foreach (AccuracyRejectionPoint point in curve.Points)
        {
            int[] accepted = [.. labels.Where((_, row) => confidences[row] >= point.Threshold)];
            Assert.AreEqual(accepted.Length / (double)rows, point.Coverage, Exact);
            Assert.AreEqual(accepted.Count(label => label == 0) / (double)accepted.Length, point.Accuracy, Exact);
        }

        Assert.IsTrue(curve.ExcessAreaUnderRiskCoverageCurve >= -Exact);
        double wished = random.NextDouble();
        Assert.AreEqual(
            curve.Points.Where(point => point.Accuracy >= wished).Select(point => point.Coverage).DefaultIfEmpty(0).Max(),
            curve.CoverageAt(wished));
    });

    private static AccuracyRejectionCurve Curve(float[] confidences, int[] labels)
        => CalibrationMetrics.Compute(CalibrationMetricsTests.TwoClasses(confidences), labels, 2).AccuracyRejectionCurve;
}
