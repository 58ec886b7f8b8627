namespace Microsoft.ML.SharpnessAware.Tests.Training;

/// <summary>One rule says which epoch's weights are the best, for early stopping and for checkpoints; MinDelta only when to stop.</summary>
[TestClass]
public sealed class BestEpochTests
{
    private static readonly double[] Accuracies = [0.425, 0.625, 0.675, 0.525, 0.5, 0.5];

    [TestMethod]
    public void TheBestEpochIsRestoredHoweverLargeMinDeltaIs()
    {
        ScriptedNetwork.Register(Accuracies);
        using var folder = new TemporaryFolder();
        var mlContext = new MLContext(1);
        IDataView data = ScriptedNetwork.Rows(mlContext);
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        ScriptedNetwork.Configure(options, data, epochs: Accuracies.Length);
        options.EarlyStoppingCriteria = new EarlyStopping(Patience: 100, MinDelta: 0.5, EarlyStoppingMetric.Accuracy);
        options.CheckpointPath = folder.File("run.ckpt");
        var trainer = mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options);

        using SharpnessAwareImageClassificationTransformer model = trainer.Fit(data), best = trainer.BestFromCheckpoint(), again =
            trainer.Fit(data);

        CollectionAssert.AreEqual(Accuracies, model.History.Select(epoch => Math.Round(epoch.ValidationAccuracy, 6)).ToArray());
        foreach (SharpnessAwareImageClassificationTransformer third in new[] { model, best, again })
            Assert.AreEqual(0.675, mlContext.MulticlassClassification.Evaluate(third.Transform(data)).MicroAccuracy, 1e-9);
        Assert.AreEqual(3, best.History[^1].Epoch);
    }

    [TestMethod]
    public void ATrainingThatIsContinuedRestoresTheBestEpochOfItsFirstPart()
    {
        ScriptedNetwork.Register(Accuracies);
        using var folder = new TemporaryFolder();
        using var cancellation = new CancellationTokenSource();
        var mlContext = new MLContext(1);
        IDataView data = ScriptedNetwork.Rows(mlContext);
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        ScriptedNetwork.Configure(options, data, epochs: Accuracies.Length);
        options.EarlyStoppingCriteria = new EarlyStopping(Patience: 100, MinDelta: 0.5);
        options.CheckpointPath = folder.File("run.ckpt");
        options.CancellationToken = cancellation.Token;
        options.MetricsCallback = epoch => Cancel(epoch.Epoch == 4);
        Assert.ThrowsExactly<OperationCanceledException>(() => Fit().Dispose());
        (options.CancellationToken, options.MetricsCallback) = (default, null);

        using SharpnessAwareImageClassificationTransformer model = Fit();

        Assert.AreEqual(0.675, mlContext.MulticlassClassification.Evaluate(model.Transform(data)).MicroAccuracy, 1e-9);

        SharpnessAwareImageClassificationTransformer Fit() =>
            mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options).Fit(data);

        void Cancel(bool now)
        {
            if (now)
                cancellation.Cancel();
        }
    }

    [TestMethod]
    [DataRow(EarlyStoppingMetric.Accuracy, new[] { 0.425, 0.625, 0.675, 0.525 }, 3)]
    [DataRow(EarlyStoppingMetric.Accuracy, new[] { 0.5, 0.75, 0.75, 0.75 }, 2, DisplayName = "The earliest of equal ones")]
    [DataRow(EarlyStoppingMetric.Accuracy, new[] { 0.0, 0.0 }, 1)]
    [DataRow(EarlyStoppingMetric.Loss, new[] { 0.9, 0.3, 0.30001, 1.2 }, 2)]
    [DataRow(EarlyStoppingMetric.Loss, new[] { 3.0, 2.0, 1.0 }, 3)]
    [DataRow(EarlyStoppingMetric.Loss, new[] { double.NaN, double.NaN, double.NaN }, 3,
        DisplayName = "Without validation images the latest")]
    public void TheBestEpochIsTheHighestAccuracyOrLowestLogLoss(EarlyStoppingMetric metric, double[] values, int best)
    {
        Assert.AreEqual(best, BestEpoch.Of(History(values), metric).Epoch);
        Assert.AreEqual(best == values.Length, BestEpoch.IsLatest(History(values), metric));
    }

    [TestMethod]
    [DataRow(2, 0.0, new[] { 0.5, 0.6, 0.6, 0.6 }, 4, DisplayName = "Equal is no improvement")]
    [DataRow(2, 0.1, new[] { 0.5, 0.56, 0.64, 0.69, 0.73 }, 5, DisplayName = "Small steps add up: .64 and no more than .74 since")]
    [DataRow(1, 0.5, new[] { 0.425, 0.625 }, 2)]
    [DataRow(3, 0.0, new[] { 0.5, 0.6, 0.7, 0.8, 0.9 }, 0, DisplayName = "Never while it improves")]
    [DataRow(100, 0.5, new[] { 0.425, 0.625, 0.675, 0.525, 0.5, 0.5 }, 0)]
    public void StoppingIsDueAfterSoManyEpochsWithoutAnImprovementByMinDelta(int patience, double minDelta, double[] accuracies, int epoch)
    {
        var criteria = new EarlyStopping(patience, minDelta, EarlyStoppingMetric.Accuracy);
        int first = Enumerable.Range(1, accuracies.Length).FirstOrDefault(n => criteria.IsDue(History(accuracies[..n])));
        Assert.AreEqual(epoch, first);
    }

    private static List<EpochMetrics> History(double[] values) => [.. values.Select((value, i) => new EpochMetrics
    {
        Epoch = i + 1,
        TotalEpochs = values.Length,
        TrainLoss = 1,
        ValidationAccuracy = value,
        ValidationLogLoss = value,
        ValidationExpectedCalibrationError = 0,
        LearningRate = 1,
        ImagesPerSecond = 1,
        Duration = TimeSpan.Zero,
    })];
}
