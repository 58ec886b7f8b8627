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
        Assert.AreEqual(model.Temperature, best.Temperature, 1e-12);
        Assert.AreNotEqual(1, best.Temperature, 0.01, "it would not show");
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
    [DataRow(EarlyStoppingMetric.Refinement, new[] { 0.9, 0.3, 0.30001, 1.2 }, 2)]
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

    /// <summary>What a training is for may begin late: climbs, an average, the whole network.</summary>
    [TestMethod]
    [DataRow(1, 4)]
    [DataRow(3, 4)]
    [DataRow(4, 5)]
    [DataRow(6, 7)]
    public void EpochsBeforeWhatIsAskedForHasBegunAreNotCounted(int firstToCount, int due)
    {
        var criteria = new EarlyStopping(Patience: 2, MinDelta: 0, EarlyStoppingMetric.Accuracy);
        double[] accuracies = [.5, .6, .6, .6, .6, .6, .6];
        Assert.AreEqual(due, Enumerable.Range(1, accuracies.Length).First(n => criteria.IsDue(History(accuracies[..n]), firstToCount)));
    }

    [TestMethod]
    [DataRow("late phase", 5)]
    [DataRow("uniform average", 5)]
    [DataRow("frozen", 5)]
    [DataRow("none", 3)]
    public void ATrainingDoesNotStopBeforeWhatIsAskedForHasBegun(string what, int epochs)
    {
        CountingNetwork.Register();
        var mlContext = new MLContext(1);
        IDataView data = Fitted.View(mlContext, Shapes.Pixels(24));
        using SharpnessAwareImageClassificationTransformer model = Fitted.Model(mlContext, data, options =>
        {
            (options.Arch, options.Epoch, options.ValidationSet, options.ValidationSetFraction) = (CountingNetwork.Name, 6, data, null);
            options.EarlyStoppingCriteria = new EarlyStopping(Patience: 2, MinDelta: 1);     // nothing is an improvement
            switch (what)
            {
                case "late phase":
                    options.Method = SharpnessAwareMethod.Sam() with { LatePhase = 0.5 };
                    break;
                case "uniform average":
                    options.WeightAveraging = new WeightAveraging.Uniform(0.5);
                    break;
                case "frozen":
                    options.FreezeEpochs = 3;
                    break;
            }
        });
        Assert.HasCount(epochs, model.History);
    }

    /// <summary>
    /// Four rows with logits (m, 0), three of the first class. The best temperature makes each say ¾, so the loss is the entropy of ¾
    /// whatever m is; the loss itself grows with m.
    /// </summary>
    [TestMethod]
    [DataRow(1.2f)]
    [DataRow(4f)]
    [DataRow(30f)]
    public void RefinementIsTheLossThatNoTemperatureTakesAway(float margin)
    {
        float[] logits = [margin, 0, margin, 0, margin, 0, margin, 0];
        double entropy = -.75 * Math.Log(.75) - .25 * Math.Log(.25);
        Assert.AreEqual(entropy, TemperatureScaling.LeastLogLoss(logits, [0, 0, 0, 1], 2), 1e-9);
    }

    /// <summary>Loss says that the second epoch is the best, refinement that the last one is: it tells the classes apart best, and is far
    /// too sure.</summary>
    [TestMethod]
    public void RefinementGoesOnWhereLossStops()
    {
        int[] labels = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1];
        (float[] Logits, string Of)[] epochs =
        [
            ([.. labels.SelectMany((_, i) => new[] { i % 5 < 3 == (labels[i] == 0) ? .4f : -.4f, 0f })], "6 right"),
            ([.. labels.SelectMany((_, i) => new[] { i % 5 < 4 == (labels[i] == 0) ? 1.4f : -1.4f, 0f })], "8 right"),
            ([.. labels.SelectMany((_, i) => new[] { i != 9 == (labels[i] == 0) ? 12f : -12f, 0f })], "9 right"),
        ];
        List<EpochMetrics> history = [.. epochs.Select((epoch, i) => History([0])[0] with
        {
            Epoch = i + 1,
            ValidationLogLoss = LogitMetrics.Of(epoch.Logits, labels, 2).LogLoss,
            ValidationRefinement = TemperatureScaling.LeastLogLoss(epoch.Logits, labels, 2),
        })];
        Assert.AreEqual(2, BestEpoch.Of(history, EarlyStoppingMetric.Loss).Epoch);
        Assert.AreEqual(3, BestEpoch.Of(history, EarlyStoppingMetric.Refinement).Epoch);
        Assert.AreEqual(-.9 * Math.Log(.9) - .1 * Math.Log(.1), history[2].ValidationRefinement, 1e-9);
    }

    [TestMethod]
    public void RefinementIsMeasuredEachEpochAndKeptInTheModelAndItsCheckpoint()
    {
        ScriptedNetwork.Register(Accuracies);
        using var folder = new TemporaryFolder();
        var mlContext = new MLContext(1);
        IDataView data = ScriptedNetwork.Rows(mlContext);
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        ScriptedNetwork.Configure(options, data, epochs: Accuracies.Length);
        options.EarlyStoppingCriteria = new EarlyStopping(Patience: 100, Metric: EarlyStoppingMetric.Refinement);
        options.CheckpointPath = folder.File("run.ckpt");
        var trainer = mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options);

        using SharpnessAwareImageClassificationTransformer model = trainer.Fit(data), best = trainer.BestFromCheckpoint(), again =
            trainer.Fit(data);

        Assert.IsTrue(model.History.All(epoch => epoch.ValidationRefinement >= 0
            && epoch.ValidationRefinement <= epoch.ValidationLogLoss + 1e-6));
        CollectionAssert.AreEqual(model.History.Select(epoch => epoch.ValidationRefinement).ToArray(),
            again.History.Select(epoch => epoch.ValidationRefinement).ToArray());
        Assert.AreEqual(BestEpoch.Of(model.History, EarlyStoppingMetric.Refinement).Epoch, best.History[^1].Epoch);
        Assert.AreEqual(best.History[^1].ValidationRefinement, model.History.Min(epoch => epoch.ValidationRefinement));
    }

    private static List<EpochMetrics> History(double[] values) => [.. values.Select((value, i) => new EpochMetrics
    {
        Epoch = i + 1,
        TotalEpochs = values.Length,
        TrainLoss = 1,
        ValidationAccuracy = value,
        ValidationLogLoss = value,
        ValidationRefinement = value,
        ValidationExpectedCalibrationError = 0,
        LearningRate = 1,
        ImagesPerSecond = 1,
        Duration = TimeSpan.Zero,
    })];

    [TestMethod]
    public void EarlyStoppingIsCheckedHoweverItIsSet()
    {
        var usual = new EarlyStopping();
        AssertRefused("Patience", () => new EarlyStopping(0), () => new EarlyStopping { Patience = 0 }, () => usual with { Patience = -1 });
        foreach (double value in new[] { -1, double.NaN, double.PositiveInfinity })
        {
            AssertRefused("MinDelta", () => new EarlyStopping(MinDelta: value), () => new EarlyStopping { MinDelta = value },
                () => usual with { MinDelta = value });
        }

        const EarlyStoppingMetric None = (EarlyStoppingMetric)7;
        AssertRefused("Metric", () => new EarlyStopping(Metric: None), () => new EarlyStopping { Metric = None },
            () => usual with { Metric = None });

        static void AssertRefused(string name, params Func<EarlyStopping>[] ways)
        {
            foreach (Func<EarlyStopping> way in ways)
                Assert.AreEqual(name, Assert.ThrowsExactly<ArgumentOutOfRangeException>(way).ParamName);
        }
    }
}
