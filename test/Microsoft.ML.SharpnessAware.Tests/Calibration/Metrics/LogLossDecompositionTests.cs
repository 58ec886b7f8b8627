namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class LogLossDecompositionTests
{
    /// <summary>Rows that all say .95 and of which ¾ are right: each fifth is judged by the temperature of the other 32, at which these
    /// nearly say ¾, being held to 1 a little.</summary>
    [TestMethod]
    public void PartsByHand()
    {
        const int Rows = 40;
        int[] labels = [.. Enumerable.Range(0, Rows).Select(i => i / 5 % 4 == 0 ? 1 : 0)];     // ¼ wrong in each fifth
        MulticlassCalibrationMetrics metrics = CalibrationMetrics.Compute(
            [.. Enumerable.Range(0, Rows).SelectMany(_ => new[] { .95f, .05f })], labels, 2);
        LogLossDecomposition parts = metrics.LogLossDecomposition!;
        Assert.AreEqual(Loss(Beta(32)), parts.Refinement, 1e-6);
        Assert.AreEqual(metrics.LogLoss, parts.Calibration + parts.Refinement, 1e-12);
        Assert.AreEqual(1 / Beta(40), parts.Temperature, 1e-5);
        Assert.AreEqual(Math.Log(19) / Math.Log(3), 1 / Beta(1e9), 1e-5, "which says ¾");

        // The logit is ln 19. At the minimum the slope of rows · loss + 4 (β − 1 − ln β) is 0.
        static double Loss(double beta) => .75 * Math.Log(1 + Math.Pow(19, -beta)) + .25 * Math.Log(1 + Math.Pow(19, beta));
        static double Beta(double rows)
        {
            (double low, double high) = (1e-3, 1);
            while (high - low > 1e-9)
            {
                double beta = (low + high) / 2;
                double slope = rows * Math.Log(19) * (.25 - 1 / (1 + Math.Pow(19, beta))) + 4 * (1 - 1 / beta);
                (low, high) = slope < 0 ? (beta, high) : (low, beta);
            }

            return low;
        }
    }

    /// <summary>One wrong row, by chance, of a calibrated model: the rows beside it, all right, do not ask for a temperature near
    /// 0.</summary>
    [TestMethod]
    [DataRow(50)]
    [DataRow(200)]
    [DataRow(1000)]
    public void OneWrongRowDoesNotCostMoreThanItDid(int rows)
    {
        float[] probabilities = [.. Enumerable.Range(0, rows).SelectMany(_ => new[] { 1 - 1f / rows, .5f / rows, .5f / rows })];
        int[] labels = new int[rows];
        labels[7] = 1;
        MulticlassCalibrationMetrics metrics = CalibrationMetrics.Compute(probabilities, labels, 3);
        LogLossDecomposition parts = metrics.LogLossDecomposition!;
        Assert.IsInRange(-.5 * metrics.LogLoss, .1 * metrics.LogLoss, parts.Calibration);
        Assert.IsInRange(.5, 2, parts.Temperature);
    }

    /// <summary>Ten classes in turn, of which two are right half the time: no fifth is of one class, and what is found does not depend on
    /// the order.</summary>
    [TestMethod]
    public void ClassesThatTakeTurnsArePartedAsShuffledOnesAre()
    {
        var random = new Random(3);
        (float[] Row, int Label)[] rows = [.. Enumerable.Range(0, 5_000).Select(i =>
        {
            int said = random.NextDouble() < (i % 5 == 0 ? .5 : .875) ? i % 10 : (i + 1) % 10;
            float[] row = [.. Enumerable.Repeat(.2f / 9, 10)];
            row[said] = .8f;
            return (row, i % 10);
        })];
        double inTurn = Calibration(rows);
        random.Shuffle(rows);
        Assert.AreEqual(Calibration(rows), inTurn, 1e-4);
        Assert.AreEqual(0, inTurn, 2e-3);

        static double Calibration((float[] Row, int Label)[] rows) => CalibrationMetrics.Compute(
            [.. rows.SelectMany(row => row.Row)], [.. rows.Select(row => row.Label)], 10).LogLossDecomposition!.Calibration;
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

    /// <summary>Where rows are many, a part of them is kept; what it tells is nearly the same.</summary>
    [TestMethod]
    public void ASampleOfManyRowsTellsTheSame()
    {
        var sample = new RowSample(2, mostNumbers: 2 * 100);
        for (int row = 0; row < 1000; row++)
        {
            sample.Add([row / 1000f, 1 - row / 1000f], row % 2);
            Assert.IsLessThanOrEqualTo(100, sample.Count);
        }

        Assert.IsGreaterThan(30, sample.Count);

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
        Assert.IsInRange(900, 2_048, few.Count);
        Assert.AreEqual(all.CrossFittedTemperature().Gain, few.CrossFittedTemperature().Gain, .3 * all.CrossFittedTemperature().Gain);
    }

    [TestMethod]
    public void OneRowAndRowsThatAreAllRightHaveParts()
    {
        LogLossDecomposition one = CalibrationMetrics.Compute([.8f, .2f], [0], 2).LogLossDecomposition!;
        Assert.AreEqual(0.0, one.Calibration);
        Assert.AreEqual(-Math.Log(.8), one.Refinement, 1e-6);
        LogLossDecomposition wrong = CalibrationMetrics.Compute([0, 1], [0], 2).LogLossDecomposition!;
        Assert.AreEqual(23 * Math.Log(2), wrong.Refinement, 1e-6);
        Assert.AreEqual(15 * Math.Log(10) - 23 * Math.Log(2), wrong.Calibration, 1e-6);
        LogLossDecomposition sure = CalibrationMetrics.Compute([.8f, .2f, 1, 0, .3f, .7f], [0, 0, 1], 2).LogLossDecomposition!;
        Assert.IsTrue(double.IsFinite(sure.Refinement) && sure.Temperature < 1);
    }

    /// <summary>Two classes in turn, the second of them underconfident: both are in the sample, however often it is thinned.</summary>
    [TestMethod]
    public void ASampleOfClassesThatTakeTurnsHasThemAll()
    {
        var ofFirst = new RowSample(2, mostNumbers: 1 << 12);
        var ofBoth = new RowSample(2, mostNumbers: 1 << 12);
        for (int row = 0; row < 20_000; row++)
        {
            ofBoth.Add(row % 2 == 0 ? [.6f, .4f] : [.2f, .8f], row % 2);
            ofFirst.Add([.6f, .4f], 0);
        }

        double both = ofBoth.CrossFittedTemperature().Gain, first = ofFirst.CrossFittedTemperature().Gain;
        // Everything is right, so the gain is nearly the whole log loss of what is in the sample.
        Assert.AreEqual(-Math.Log(.6), first, .02);
        Assert.AreEqual(-.5 * Math.Log(.6) - .5 * Math.Log(.8), both, .03);
    }

    /// <summary>A model that says 0 and 1 and is wrong once in ten: a wrong row weighs 34.5 in the log loss, and what a temperature takes
    /// away of that is no refinement.</summary>
    [TestMethod]
    public void RefinementIsTheLogLossOfScoresWithATemperatureWhereAModelSaysZeroAndIsWrong()
    {
        MulticlassCalibrationMetrics metrics = CalibrationMetrics.Compute(
            [.. Enumerable.Range(0, 100).SelectMany(_ => new[] { 1f, 0 })],
            [.. Enumerable.Range(0, 100).Select(i => i % 10 == 0 ? 1 : 0)], 2);
        LogLossDecomposition parts = metrics.LogLossDecomposition!;
        Assert.AreEqual(-.1 * Math.Log(1e-15), metrics.LogLoss, 1e-9);
        Assert.AreEqual(-.1 * Math.Log(.1) - .9 * Math.Log(.9), parts.Refinement, .01);
        Assert.AreEqual(metrics.LogLoss, parts.Calibration + parts.Refinement, 1e-12);
    }

    /// <summary>A network whose logits are so large that softmax in float32 gives zeros; all rows, and a sample of many.</summary>
    [TestMethod]
    [DataRow(2_000)]
    [DataRow(400_000)]
    public void RefinementIsTheLogLossOfScoresWithATemperatureWhereFloatsHaveBecomeZero(int rows)
    {
        const int Classes = 4;
        var random = new Random(1);
        float[] scores = new float[rows * Classes];
        int[] labels = new int[rows];
        for (int row = 0; row < rows; row++)
        {
            double[] logits = [.. Enumerable.Range(0, Classes).Select(_ => 4 * random.NextDouble())];
            double[] truth = ScoredRows.Softmax(logits);
            float[] sure = [.. logits.Select(logit => (float)(60 * logit))];
            Softmax.Apply(sure, 1, scores.AsSpan(row * Classes, Classes));
            for (double left = random.NextDouble(); labels[row] < Classes - 1 && (left -= truth[labels[row]]) > 0;)
                labels[row]++;
        }

        Assert.IsGreaterThan(rows / 100, Enumerable.Range(0, rows).Count(row => scores[row * Classes + labels[row]] == 0));
        MulticlassCalibrationMetrics metrics = CalibrationMetrics.Compute(scores, labels, Classes);
        LogLossDecomposition parts = metrics.LogLossDecomposition!;
        float[] calibrated = new float[scores.Length];
        for (int row = 0; row < rows; row++)
            TemperatureScaling.Apply(scores.AsSpan(row * Classes, Classes), parts.Temperature, calibrated.AsSpan(row * Classes, Classes));
        double after = CalibrationMetrics.Compute(calibrated, labels, Classes).LogLoss;
        Assert.AreEqual(after, parts.Refinement, .02 * after);
        Assert.AreEqual(metrics.LogLoss, parts.Calibration + parts.Refinement, 1e-9);
        Assert.IsGreaterThan(2, parts.Calibration);
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
