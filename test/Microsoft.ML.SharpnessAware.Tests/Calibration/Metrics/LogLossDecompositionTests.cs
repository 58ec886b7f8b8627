namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class LogLossDecompositionTests
{
    /// <summary>Rows that all say .95 and of which ¾ are right: each fifth is judged by the temperature at which the others say ¾, so what
    /// stays is the entropy of ¾.</summary>
    [TestMethod]
    public void PartsByHand()
    {
        const int Rows = 40;
        int[] labels = [.. Enumerable.Range(0, Rows).Select(i => i / 5 % 4 == 0 ? 1 : 0)];     // ¼ wrong in each fifth
        MulticlassCalibrationMetrics metrics = CalibrationMetrics.Compute(
            [.. Enumerable.Range(0, Rows).SelectMany(_ => new[] { .95f, .05f })], labels, 2);
        LogLossDecomposition parts = metrics.LogLossDecomposition!;
        double entropy = -.75 * Math.Log(.75) - .25 * Math.Log(.25);
        Assert.AreEqual(entropy, parts.Refinement, 1e-6);
        Assert.AreEqual(metrics.LogLoss, parts.Calibration + parts.Refinement, 1e-12);
        Assert.AreEqual(Math.Log(19) / Math.Log(3), parts.Temperature, 1e-5);
    }

    /// <summary>A model whose logits are three times too large loses by that what its temperature gives back; the refinement is that of the
    /// right model.</summary>
    [TestMethod]
    public void ATemperatureChangesTheCalibrationPartOnly()
    {
        var random = new Random(1);
        const int Rows = 20_000, Classes = 4;
        float[] right = new float[Rows * Classes], sure = new float[Rows * Classes];
        int[] labels = new int[Rows];
        for (int row = 0; row < Rows; row++)
        {
            double[] logits = [.. Enumerable.Range(0, Classes).Select(_ => 3 * random.NextDouble())];
            double[] p = ScoredRows.Softmax(logits), q = ScoredRows.Softmax([.. logits.Select(logit => 3 * logit)]);
            for (int k = 0; k < Classes; k++)
                (right[row * Classes + k], sure[row * Classes + k]) = ((float)p[k], (float)q[k]);
            for (double left = random.NextDouble(); labels[row] < Classes - 1 && (left -= p[labels[row]]) > 0;)
                labels[row]++;
        }

        LogLossDecomposition ofRight = CalibrationMetrics.Compute(right, labels, Classes).LogLossDecomposition!;
        LogLossDecomposition ofSure = CalibrationMetrics.Compute(sure, labels, Classes).LogLossDecomposition!;
        Assert.AreEqual(0, ofRight.Calibration, 2e-4);
        Assert.IsGreaterThan(.1, ofSure.Calibration);
        Assert.AreEqual(ofRight.Refinement, ofSure.Refinement, 1e-4);
        Assert.AreEqual(3, ofSure.Temperature, .1);
    }

    /// <summary>Where rows are many, a part of them is kept, spread evenly; what it tells is nearly the same.</summary>
    [TestMethod]
    public void ASampleOfManyRowsIsSpreadEvenly()
    {
        var sample = new RowSample(2, mostNumbers: 2 * 100);
        for (int row = 0; row < 1000; row++)
            sample.Add([row / 1000f, 1 - row / 1000f], row % 2);
        Assert.IsInRange(50, 100, sample.Count);

        var all = new RowSample(2, mostNumbers: 1 << 20);
        var few = new RowSample(2, mostNumbers: 1 << 12);
        var random = new Random(2);
        for (int row = 0; row < 20_000; row++)
        {
            float p = .5f + .5f * random.NextSingle();
            int label = random.NextDouble() < .5 + .5 * (p - .5) ? 0 : 1;
            all.Add([p, 1 - p], label);
            few.Add([p, 1 - p], label);
        }

        Assert.AreEqual(20_000, all.Count);
        Assert.IsInRange(1_024, 2_048, few.Count);
        Assert.AreEqual(all.CrossFittedTemperature().Gain, few.CrossFittedTemperature().Gain, .3 * all.CrossFittedTemperature().Gain);
    }

    [TestMethod]
    public void OneRowAndRowsThatAreAllRightHaveParts()
    {
        LogLossDecomposition one = CalibrationMetrics.Compute([.8f, .2f], [0], 2).LogLossDecomposition!;
        Assert.AreEqual(0.0, one.Calibration);
        Assert.AreEqual(-Math.Log(.8), one.Refinement, 1e-6);
        LogLossDecomposition sure = CalibrationMetrics.Compute([.8f, .2f, 1, 0, .3f, .7f], [0, 0, 1], 2).LogLossDecomposition!;
        Assert.IsTrue(double.IsFinite(sure.Refinement) && sure.Temperature < 1);
    }

    /// <summary>Σ over the classes of Murphy's parts is the Brier score where the probabilities of a bin are equal.</summary>
    [TestMethod]
    public void MurphysPartsOfSeveralClassesAreTheBrierScore()
    {
        var random = new Random(4);
        float[][] kinds = [[.1f, .3f, .6f], [.5f, .3f, .2f], [.7f, .2f, .1f]];
        float[][] rows = [.. Enumerable.Range(0, 600).Select(_ => kinds[random.Next(3)])];
        MulticlassCalibrationMetrics metrics = CalibrationMetrics.Compute(
            [.. rows.SelectMany(row => row)], [.. rows.Select(_ => random.Next(3))], 3, 10);
        MurphyDecomposition parts = metrics.BrierDecomposition;
        Assert.AreEqual(metrics.BrierScore, parts.Reliability - parts.Resolution + parts.Uncertainty, 1e-6);
    }
}
