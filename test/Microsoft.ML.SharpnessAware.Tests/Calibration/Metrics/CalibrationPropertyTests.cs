using CsCheck;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class CalibrationPropertyTests
{
    private const double Tolerance = 1e-9;

    // Coarse scores make ties between classes, between rows and with bin edges common.
    private static readonly Gen<Case> Cases =
        from classes in Gen.Int[2, 6]
        from rows in Gen.Int[1, 60]
        from bins in Gen.Int[1, 20]
        from weights in Gen.OneOf(Gen.Int[0, 6].Select(weight => (float)weight), Gen.Float[0, 1]).Array[classes * rows]
        from labels in Gen.Int[0, classes - 1].Array[rows]
        from seed in Gen.Int
        select new Case(classes, bins, Normalize(weights, classes), labels, seed);

    [TestMethod]
    public void OrderOfRowsDoesNotMatter() => Cases.Sample(test =>
    {
        int[] order = Shuffled(test.Labels.Length, test.Seed);
        float[] scores = [.. order.SelectMany(row => test.Scores[(row * test.Classes)..((row + 1) * test.Classes)])];
        int[] labels = [.. order.Select(row => test.Labels[row])];
        MulticlassCalibrationMetrics expected = test.Compute();
        MulticlassCalibrationMetrics actual = CalibrationMetrics.Compute(scores, labels, test.Classes, test.Bins, topKPredictionCount: 2);
        AssertEqual(expected, actual);
        for (int k = 0; k < test.Classes; k++)
            AssertEqual(expected.PerClass[k], actual.PerClass[k]);
    });

    [TestMethod]
    public void OrderOfClassesDoesNotMatterWithoutTies() => Cases.Where(test => !test.HasTies).Sample(test =>
    {
        int[] order = Shuffled(test.Classes, test.Seed);
        float[] scores = [.. Enumerable.Range(0, test.Labels.Length)
            .SelectMany(row => order.Select(k => test.Scores[row * test.Classes + k]))];
        int[] labels = [.. test.Labels.Select(label => Array.IndexOf(order, label))];
        MulticlassCalibrationMetrics expected = test.Compute();
        MulticlassCalibrationMetrics actual = CalibrationMetrics.Compute(scores, labels, test.Classes, test.Bins);
        AssertEqual(expected, actual);
        for (int k = 0; k < test.Classes; k++)
            AssertEqual(expected.PerClass[order[k]], actual.PerClass[k]);
    });

    [TestMethod]
    public void EveryRowIsInOneBinThatContainsItsConfidence() => Cases.Sample(test =>
    {
        ReliabilityDiagram diagram = test.Compute().ReliabilityDiagram;
        Assert.HasCount(test.Bins, diagram.Bins);
        Assert.AreEqual(test.Labels.Length, diagram.Bins.Sum(bin => bin.Count));
        Assert.AreEqual(0.0, diagram.Bins[0].LowerBound);
        Assert.AreEqual(1.0, diagram.Bins[^1].UpperBound);
        foreach (ReliabilityBin bin in diagram.Bins)
        {
            Assert.AreEqual(bin.Count == 0, double.IsNaN(bin.MeanConfidence));
            Assert.AreEqual(bin.Count == 0, double.IsNaN(bin.Accuracy));
            if (bin.Count > 0)
                Assert.IsTrue(bin.MeanConfidence > bin.LowerBound - 1e-7 && bin.MeanConfidence < bin.UpperBound + 1e-7);
        }
    });

    [TestMethod]
    public void BinsOfEqualMassAndOfClassesCoverEveryRowToo() => Cases.Sample(test =>
    {
        MulticlassCalibrationMetrics metrics = test.Compute();
        int rows = test.Labels.Length;
        ReliabilityDiagram adaptive = metrics.AdaptiveReliabilityDiagram;
        Assert.HasCount(test.Bins, adaptive.Bins);
        Assert.AreEqual(rows, adaptive.Count);
        Assert.AreEqual(metrics.Accuracy, adaptive.Accuracy, Tolerance);
        Assert.AreEqual(metrics.MeanConfidence, adaptive.MeanConfidence, Tolerance);
        for (int bin = 0; bin < test.Bins; bin++)
        {
            ReliabilityBin current = adaptive.Bins[bin];
            Assert.IsTrue(bin == 0 || current.LowerBound == adaptive.Bins[bin - 1].UpperBound);
            if (current.Count > 0)
                Assert.IsTrue(current.MeanConfidence > current.LowerBound - 1e-7 && current.MeanConfidence < current.UpperBound + 1e-7);
        }

        Assert.AreEqual(rows, metrics.PerClass.Sum(c => c.Count));
        Assert.AreEqual(metrics.ClasswiseCalibrationError, metrics.PerClass.Average(c => c.ExpectedCalibrationError), Tolerance);
        foreach (ClassCalibration c in metrics.PerClass)
        {
            Assert.AreEqual(rows, c.ReliabilityDiagram.Count);
            Assert.AreEqual(c.Frequency, c.ReliabilityDiagram.Accuracy, Tolerance);
            Assert.AreEqual(test.Labels.Count(label => label == c.ClassIndex), c.Count);
            Assert.AreEqual(test.Scores.Where((_, i) => i % test.Classes == c.ClassIndex).Average(p => (double)p), c.MeanConfidence, 1e-6);
        }
    });

    [TestMethod]
    public void OverAndUnderconfidenceMakeUpTheError() => Cases.Sample(test =>
    {
        MulticlassCalibrationMetrics metrics = test.Compute();
        Assert.AreEqual(metrics.ExpectedCalibrationError, metrics.ExpectedOverconfidence + metrics.ExpectedUnderconfidence, Tolerance);
        Assert.AreEqual(metrics.MeanConfidence - metrics.Accuracy,
            metrics.ExpectedOverconfidence - metrics.ExpectedUnderconfidence, Tolerance);
        Assert.IsTrue(metrics.ExpectedOverconfidence >= 0 && metrics.ExpectedUnderconfidence >= 0);
        Assert.IsLessThanOrEqualTo(metrics.RootMeanSquareCalibrationError + Tolerance, metrics.DebiasedRootMeanSquareCalibrationError);
    });

    [TestMethod]
    public void MetricsLieInTheirRangesAndOrder() => Cases.Sample(test =>
    {
        MulticlassCalibrationMetrics metrics = test.Compute();
        foreach (double error in new[]
        {
            metrics.ExpectedCalibrationError, metrics.AdaptiveCalibrationError, metrics.ClasswiseCalibrationError,
            metrics.RootMeanSquareCalibrationError, metrics.MaximumCalibrationError, metrics.Accuracy, metrics.MeanConfidence,
        })
        {
            Assert.IsTrue(error is >= 0 and <= 1);
        }

        Assert.IsTrue(metrics.BrierScore is >= 0 and <= 2.0001);
        Assert.IsTrue(metrics.LogLoss is >= 0 and < 34.6);
        Assert.IsTrue(metrics.MeanEntropy >= -1e-6 && metrics.MeanEntropy <= Math.Log(test.Classes) + 1e-6);

        double overall = Math.Abs(metrics.MeanConfidence - metrics.Accuracy);
        Assert.IsTrue(overall <= metrics.ExpectedCalibrationError + Tolerance);
        Assert.IsTrue(overall <= metrics.AdaptiveCalibrationError + Tolerance);
        Assert.IsTrue(metrics.ExpectedCalibrationError <= metrics.RootMeanSquareCalibrationError + Tolerance);
        Assert.IsTrue(metrics.RootMeanSquareCalibrationError <= metrics.MaximumCalibrationError + Tolerance);
    });

    /// <summary>Labels drawn from the probabilities themselves: the ECE of N rows is then of the order of √(bins / N).</summary>
    [TestMethod]
    public void PerfectCalibrationHasAnErrorNearZero()
    {
        const int Rows = 40_000, Classes = 5;
        Random random = new(7);
        float[] scores = Normalize([.. Enumerable.Range(0, Rows * Classes).Select(_ => MathF.Exp(5 * random.NextSingle()))], Classes);
        int[] labels = new int[Rows];
        for (int row = 0; row < Rows; row++)
        {
            double left = random.NextDouble();
            while (labels[row] < Classes - 1 && (left -= scores[row * Classes + labels[row]]) > 0)
                labels[row]++;
        }

        MulticlassCalibrationMetrics metrics = CalibrationMetrics.Compute(scores, labels, Classes);
        Assert.IsLessThan(0.012, metrics.ExpectedCalibrationError);
        Assert.IsLessThan(0.012, metrics.AdaptiveCalibrationError);
        Assert.IsLessThan(0.012, metrics.ClasswiseCalibrationError);
        Assert.AreEqual(metrics.MeanEntropy, metrics.LogLoss, 0.02);
        Assert.AreEqual(1, LeastLogLossTemperature.Fit([.. scores.Select(value => MathF.Log(value))], labels, Classes), 0.03);

        // The same labels with sharpened scores are far from calibrated.
        float[] sharpened = Normalize([.. scores.Select(score => score * score)], Classes);
        Assert.IsGreaterThan(0.08, CalibrationMetrics.Compute(sharpened, labels, Classes).ExpectedCalibrationError);
    }

    private static void AssertEqual(MulticlassCalibrationMetrics expected, MulticlassCalibrationMetrics actual)
    {
        Assert.AreEqual(expected.ExpectedCalibrationError, actual.ExpectedCalibrationError, Tolerance);
        Assert.AreEqual(expected.AdaptiveCalibrationError, actual.AdaptiveCalibrationError, Tolerance);
        Assert.AreEqual(expected.ClasswiseCalibrationError, actual.ClasswiseCalibrationError, Tolerance);
        Assert.AreEqual(expected.MaximumCalibrationError, actual.MaximumCalibrationError, Tolerance);
        Assert.AreEqual(expected.RootMeanSquareCalibrationError, actual.RootMeanSquareCalibrationError, Tolerance);
        Assert.AreEqual(expected.BrierScore, actual.BrierScore, Tolerance);
        Assert.AreEqual(expected.LogLoss, actual.LogLoss, Tolerance);
        Assert.AreEqual(expected.MeanEntropy, actual.MeanEntropy, Tolerance);
        Assert.AreEqual(expected.Accuracy, actual.Accuracy, Tolerance);
        Assert.AreEqual(expected.MeanConfidence, actual.MeanConfidence, Tolerance);
        Assert.AreEqual(expected.ExpectedOverconfidence, actual.ExpectedOverconfidence, Tolerance);
        Assert.AreEqual(expected.DebiasedRootMeanSquareCalibrationError, actual.DebiasedRootMeanSquareCalibrationError, 1e-6);
        Assert.AreEqual(expected.AccuracyRejectionCurve.AreaUnderRiskCoverageCurve,
            actual.AccuracyRejectionCurve.AreaUnderRiskCoverageCurve, Tolerance);
        CollectionAssert.AreEqual(expected.AccuracyRejectionCurve.Points.ToArray(), actual.AccuracyRejectionCurve.Points.ToArray());
        CollectionAssert.AreEqual(
            expected.AdaptiveReliabilityDiagram.Bins.Select(bin => (bin.LowerBound, bin.UpperBound, bin.Count)).ToArray(),
            actual.AdaptiveReliabilityDiagram.Bins.Select(bin => (bin.LowerBound, bin.UpperBound, bin.Count)).ToArray());
        foreach ((TopKCalibration first, TopKCalibration second) in expected.TopK.Zip(actual.TopK))
        {
            Assert.AreEqual(first.Accuracy, second.Accuracy);
            Assert.AreEqual(first.MeanConfidence, second.MeanConfidence, Tolerance);
        }
        CollectionAssert.AreEqual(
            expected.ReliabilityDiagram.Bins.Select(bin => bin.Count).ToArray(),
            actual.ReliabilityDiagram.Bins.Select(bin => bin.Count).ToArray());
    }

    private static void AssertEqual(ClassCalibration expected, ClassCalibration actual)
    {
        Assert.AreEqual(expected.Count, actual.Count);
        Assert.AreEqual(expected.MeanConfidence, actual.MeanConfidence, Tolerance);
        Assert.AreEqual(expected.ExpectedCalibrationError, actual.ExpectedCalibrationError, Tolerance);
    }

    private static int[] Shuffled(int count, int seed)
    {
        int[] order = [.. Enumerable.Range(0, count)];
        new Random(seed).Shuffle(order);
        return order;
    }

    private static float[] Normalize(float[] weights, int classes)
    {
        float[] scores = new float[weights.Length];
        for (int row = 0; row < weights.Length; row += classes)
        {
            float sum = weights.AsSpan(row, classes).ToArray().Sum();
            for (int k = row; k < row + classes; k++)
                scores[k] = sum > 0 ? weights[k] / sum : 1f / classes;
        }

        return scores;
    }

    private sealed record Case(int Classes, int Bins, float[] Scores, int[] Labels, int Seed)
    {
        public bool HasTies => Scores.Chunk(Classes).Any(row => row.Count(score => score == row.Max()) > 1);

        public MulticlassCalibrationMetrics Compute()
            => CalibrationMetrics.Compute(Scores, Labels, Classes, Bins, topKPredictionCount: 2);
    }
}
