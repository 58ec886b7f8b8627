namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class LogitEvaluationTests
{
    private readonly MLContext _mlContext = new(seed: 1);

    [TestMethod]
    public void LogitsAreMeasuredAsTheirSoftmax()
    {
        Random random = new(1);
        float[][] logits = [.. Enumerable.Range(0, 200).Select(_ => new[] { Logit(), Logit(), Logit() })];
        uint[] keys = [.. logits.Select(_ => (uint)random.Next(1, 4))];
        float[][] probabilities = [.. logits.Select(row =>
            ScoredRows.Softmax([.. row.Select(value => (double)value)]).Select(value => (float)value).ToArray())];

        MulticlassCalibrationMetrics actual = _mlContext.MulticlassClassification.EvaluateCalibration(View(logits),
            scoreKind: ScoreKind.Logits);
        MulticlassCalibrationMetrics expected = _mlContext.MulticlassClassification.EvaluateCalibration(View(probabilities));

        Assert.AreEqual(expected.LogLoss, actual.LogLoss, 1e-6);
        Assert.AreEqual(expected.ExpectedCalibrationError, actual.ExpectedCalibrationError, 1e-6);
        Assert.AreEqual(expected.Accuracy, actual.Accuracy);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(
            () => _mlContext.MulticlassClassification.EvaluateCalibration(View(logits))).Message, "scoreKind: ScoreKind.Logits");
        new CalibrationReport(_mlContext).Add("m", View(logits), scoreKind: ScoreKind.Logits);

        float Logit() => 8 * random.NextSingle() - 4;

        IDataView View(float[][] scores) => NamedScores.View(_mlContext, 3, 3, [.. keys.Zip(scores)]);
    }

    /// <summary>As docs/calibration.md says: ML.NET calibrates a binary trainer that gives no probabilities.</summary>
    [TestMethod]
    public void OneVersusAllAndPairwiseCouplingGiveProbabilitiesWhateverTheirBinaryTrainer()
    {
        IDataView data = Examples.Data(_mlContext, 200);
        MulticlassClassificationCatalog.MulticlassClassificationTrainers trainers = _mlContext.MulticlassClassification.Trainers;
        var perceptron = _mlContext.BinaryClassification.Trainers.AveragedPerceptron();
        foreach (IEstimator<ITransformer> trainer in new IEstimator<ITransformer>[]
        {
            trainers.OneVersusAll(perceptron), trainers.PairwiseCoupling(perceptron),
        })
            Assert.IsGreaterThan(0, _mlContext.MulticlassClassification.EvaluateCalibration(trainer.Fit(data).Transform(data)).Count);

        IDataView margins = trainers.OneVersusAll(perceptron, useProbabilities: false).Fit(data).Transform(data);
        Assert.ThrowsExactly<InvalidOperationException>(() => _mlContext.MulticlassClassification.EvaluateCalibration(margins));
    }

    [TestMethod]
    public void LogitsThatAreNotFiniteAreLeftOutButMinusInfinityIsAProbabilityOfZero()
    {
        MulticlassCalibrationMetrics metrics = _mlContext.MulticlassClassification.EvaluateCalibration(
            NamedScores.View(_mlContext, 2, 2, (1, [1000, -1000]), (1, [float.NaN, 0]), (2, [float.PositiveInfinity, 0]),
                (2, [float.NegativeInfinity, 3]), (2, [float.NegativeInfinity, float.NegativeInfinity])),
            scoreKind: ScoreKind.Logits);
        Assert.AreEqual(2, metrics.Count);
        Assert.AreEqual(3, metrics.SkippedRows);
        Assert.AreEqual(0.0, metrics.LogLoss, 1e-6);
    }
}
