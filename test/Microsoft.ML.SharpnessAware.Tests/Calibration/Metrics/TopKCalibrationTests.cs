using CsCheck;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class TopKCalibrationTests
{
    [TestMethod]
    public void ValuesByHand()
    {
        // The last row is a tie: classes 0 and 1 come first, in this order.
        float[] scores = [.5f, .3f, .2f, .6f, .3f, .1f, .4f, .4f, .2f];
        IReadOnlyList<TopKCalibration> top = CalibrationMetrics.Compute(scores, [1, 0, 1], 3, 2, topKPredictionCount: 3).TopK;
        Assert.HasCount(3, top);
        AssertTop(top[0], 1, 1 / 3.0, 0.5, (2 * Math.Abs(0.45 - 0) + Math.Abs(0.6 - 1)) / 3);
        AssertTop(top[1], 2, 1, 2.5 / 3, 0.5 / 3);
        AssertTop(top[2], 3, 1, 1, 0);

        static void AssertTop(TopKCalibration top, int k, double accuracy, double confidence, double error)
        {
            double actual = top.ExpectedCalibrationError;
            Assert.AreEqual(k, top.K);
            Assert.AreEqual(accuracy, top.Accuracy, 1e-7);
            Assert.AreEqual(confidence, top.MeanConfidence, 1e-7);
            Assert.AreEqual(error, actual, 1e-7);
            Assert.IsTrue(top.ExpectedCalibrationError == top.ReliabilityDiagram.ExpectedCalibrationError);
        }
    }

    [TestMethod]
    public void TheFirstIsThePredictionItself()
    {
        CalibrationReference reference = CalibrationReference.Load("overconfident");
        MulticlassCalibrationMetrics metrics =
            CalibrationMetrics.Compute(reference.Scores, reference.Labels, reference.NumberOfClasses, topKPredictionCount: 2);
        Assert.AreEqual(metrics.ReliabilityDiagram.ToString(), metrics.TopK[0].ReliabilityDiagram.ToString());
        Assert.AreEqual(metrics.ExpectedCalibrationError, metrics.TopK[0].ExpectedCalibrationError);
        Assert.IsGreaterThan(metrics.TopK[0].Accuracy, metrics.TopK[1].Accuracy);
        StringAssert.Contains(metrics.ToString(), "Top 2    accuracy               ");
    }

    /// <summary>Short lists are found by insertion, long ones by sorting; both against the definition.</summary>
    [TestMethod]
    public void AnyNumberOfClassesAgreesWithSorting() => Gen.Select(Gen.Int[2, 60], Gen.Int).Sample((classes, seed) =>
    {
        const int Rows = 5;
        Random random = new(seed);
        float[] scores = [.. Enumerable.Range(0, Rows).SelectMany(_ => Row())];
        int[] labels = [.. Enumerable.Range(0, Rows).Select(_ => random.Next(classes))];
        int most = random.Next(1, classes + 1);
        IReadOnlyList<TopKCalibration> top = CalibrationMetrics.Compute(scores, labels, classes, topKPredictionCount: most).TopK;
        Assert.HasCount(most, top);
        for (int k = 1; k <= most; k++)
        {
            int[][] orders = [.. Enumerable.Range(0, Rows).Select(row => Enumerable.Range(0, classes)
                .OrderByDescending(c => scores[row * classes + c]).Take(k).ToArray())];      // stable, so the lowest index first
            Assert.AreEqual(orders.Where((order, row) => order.Contains(labels[row])).Count() / (double)Rows, top[k - 1].Accuracy, 1e-12);
            Assert.AreEqual(orders.Select((order, row) => order.Sum(c => (double)scores[row * classes + c])).Average(),
                top[k - 1].MeanConfidence, 1e-6);
        }

        float[] Row()
        {
            float[] weights = [.. Enumerable.Range(0, classes).Select(_ => (float)random.Next(1, 9))];
            return [.. weights.Select(weight => weight / weights.Sum())];
        }
    });

    [TestMethod]
    public void NothingUnlessAskedFor() => Assert.HasCount(0, CalibrationMetrics.Compute([.8f, .2f], [0], 2).TopK);

    [TestMethod]
    [DataRow(-1)]
    [DataRow(3)]
    public void MoreThanThereAreClassesIsRefused(int topK)
    {
        ArgumentOutOfRangeException exception = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => CalibrationMetrics.Compute([.8f, .2f], [0], 2, topKPredictionCount: topK));
        Assert.AreEqual("topKPredictionCount", exception.ParamName);
        StringAssert.Contains(exception.Message, "[0, 2]");
    }
}
