namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>Gaps that no bin shows for certain by itself, and all together may.</summary>
[TestClass]
public sealed class GapResamplerTests
{
    // Twenty rows in each of two bins, half of them right and all said to be right with this: 1.6 standard deviations in each bin, 2.3 in
    // both together.
    private const double Confidence = .67;
    private const int Clusters = 20;

    /// <summary>A cluster is a row of each bin. Where both are right or both wrong, errors of the bins add up, and both together show no
    /// more than one; where one is right and the other wrong they cancel, and there is no doubt left.</summary>
    [TestMethod]
    public void WhetherClustersErrInAllBinsDecidesWhatAllGapsTogetherSay()
    {
        double gap = Clusters * (Confidence - .5), variance = Clusters * Confidence * (1 - Confidence);
        double spread = Clusters / (Clusters - 1.0);
        Assert.IsTrue(gap < 2 * Math.Sqrt(variance) && 2 * gap > 2 * Math.Sqrt(2 * variance * spread), "the example");

        ClusterGaps together = Gaps(isRightInSecondBin: isRight => isRight), opposite = Gaps(isRight => !isRight);
        foreach (ClusterGaps one in new[] { together, opposite })
            Assert.AreEqual(spread, one.DesignEffect, 1e-9, "each bin has one row of a cluster");
        Assert.AreEqual(2 * spread, together.TotalEffect, 1e-9);
        Assert.AreEqual(1.0, opposite.TotalEffect);

        AssertSignal(2 * variance, null);
        AssertSignal(2 * variance, opposite);
        CollectionAssert.AreEqual(new[] { 0.0, 0.0 }, Resampler(together).LowerDirection);

        void AssertSignal(double varianceOfAll, ClusterGaps? clusters)
        {
            double ofAll = Math.Sqrt(4 * gap * gap - 4 * varianceOfAll);      // what is above two standard deviations
            foreach (double ofBin in Resampler(clusters).LowerDirection)
                Assert.AreEqual(ofAll / 2, ofBin, 1e-6);
        }
    }

    private static bool[] IsRight => [.. Enumerable.Range(0, Clusters).Select(cluster => cluster % 2 == 0)];

    private static GapResampler Resampler(ClusterGaps? clusters)
    {
        var cells = new OutcomeCell[4];
        for (int bin = 0; bin < 2; bin++)
        {
            foreach (bool isRight in IsRight)
                cells[2 * bin + (isRight ? 1 : 0)].Add(OutcomeCell.Row(Confidence));
        }

        return new GapResampler(cells, new BootstrapRandom(1, 0), clusters);
    }

    private static ClusterGaps Gaps(Func<bool, bool> isRightInSecondBin)
    {
        var units = new ClusterUnits([.. Enumerable.Range(0, 2 * Clusters).Select(row => row % Clusters)], 2);
        bool[] isRight = [.. IsRight, .. IsRight.Select(isRightInSecondBin)];
        return new ClusterGaps(units, [.. Enumerable.Range(0, 2 * Clusters).Select(row => row / Clusters)],
            [.. isRight.Select(right => Confidence - (right ? 1 : 0))], 2);
    }
}
