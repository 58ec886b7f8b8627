using TorchSharp;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

/// <summary>Trainings by several processes, which are threads here; by MPI see MpiTrainingTests.</summary>
[TestClass]
public sealed class ProcessGroupTrainingTests
{
    private static readonly List<PixelRow> Rows = Shapes.Pixels(61, seed: 3);

    /// <summary>Batch norm works as in scoring, so that an image's output does not depend on who has the others.</summary>
    private static readonly Action<SharpnessAwareImageClassificationTrainer.Options> WithoutBatchNorm = options =>
    {
        options.FreezeBatchNorm = true;
        options.BatchSize = 12;
        options.Epoch = 2;
        options.SharedAscent = true;
        options.BaseOptimizer = new BaseOptimizer.Sgd(0.01);
    };

    [TestMethod]
    [DataRow(2, false)]
    [DataRow(3, true)]
    public void TheModelIsThatOfOneProcess(int size, bool mixes)
    {
        Action<SharpnessAwareImageClassificationTrainer.Options> change = WithoutBatchNorm + (options =>
            options.Augmentation = mixes ? Augmentation.None with { Mixup = 0.4, HorizontalFlip = true } : Augmentation.None);
        Result alone = Train(null, change);
        Result[] together = ThreadProcessGroup.Run(size, group => Train(group, change));

        foreach (Result each in together)
            CollectionAssert.AreEqual(together[0].Weights, each.Weights, "the processes differ");
        double distance = Math.Sqrt(alone.Weights.Zip(together[0].Weights, (a, b) => (double)(a - b) * (a - b)).Sum()
            / alone.Weights.Sum(a => (double)a * a));
        Assert.IsLessThan(1e-6, distance);
        Assert.AreEqual(alone.Temperature, together[0].Temperature, 1e-3);
        for (int epoch = 0; epoch < 2; epoch++)
        {
            Assert.AreEqual(alone.History[epoch].TrainLoss, together[1].History[epoch].TrainLoss, 1e-4);
            Assert.AreEqual(alone.History[epoch].ValidationLogLoss, together[1].History[epoch].ValidationLogLoss, 1e-4);
            Assert.AreEqual(alone.History[epoch].ValidationAccuracy, together[1].History[epoch].ValidationAccuracy);
        }
    }

    [TestMethod]
    public void WithBatchNormAndClimbsOfTheirOwnAllHaveTheSameModel()
    {
        Result[] together = ThreadProcessGroup.Run(2, group => Train(group, options =>
        {
            options.Method = SharpnessAwareMethod.Ssam();
            options.Augmentation = Augmentation.Standard;
            options.WeightAveraging = new WeightAveraging.Exponential();
            options.EarlyStoppingCriteria = new EarlyStopping(Patience: 2);
            options.Epoch = 6;
        }));

        CollectionAssert.AreEqual(together[0].Weights, together[1].Weights);
        Assert.AreEqual(together[0].Temperature, together[1].Temperature);
        Assert.AreEqual(together[0].History.Count, together[1].History.Count);
        Assert.IsLessThan(together[0].History[0].TrainLoss, together[0].History[^1].TrainLoss);
    }

    [TestMethod]
    [DataRow(DataSharding.None)]
    [DataRow(DataSharding.ByRow)]
    public void WithSynchronisedBatchNormTheModelIsThatOfOneProcess(DataSharding sharding)
    {
        Action<SharpnessAwareImageClassificationTrainer.Options> change = options =>
        {
            options.SynchronizeBatchNorm = true;
            options.SharedAscent = true;
            options.Sharding = sharding;
            options.BatchSize = 12;
            options.Epoch = 2;
            options.BaseOptimizer = new BaseOptimizer.Sgd(0.01);
        };
        Result alone = Train(null, change + (options => options.OrderOfShares = sharding == DataSharding.ByRow ? 3 : null));
        Result[] together = ThreadProcessGroup.Run(3, group => Train(group, change));
        Result[] without = ThreadProcessGroup.Run(3, group => Train(group, change + (options => options.SynchronizeBatchNorm = false)));

        CollectionAssert.AreEqual(together[0].Weights, together[2].Weights);
        double Distance(Result result) => Math.Sqrt(alone.Weights.Zip(result.Weights, (a, b) => (double)(a - b) * (a - b)).Sum()
            / alone.Weights.Sum(a => (double)a * a));
        Assert.IsLessThan(1e-4, Distance(together[0]));
        Assert.IsGreaterThan(1e-3, Distance(without[0]));
    }

    [TestMethod]
    public void SynchronisedBatchNormWithClimbsOfTheirOwnIsRefusedBeforeAnImageIsRead()
    {
        string[] errors = ThreadProcessGroup.Run(2, group => Assert.ThrowsExactly<InvalidOperationException>(
            () => Train(group, options => options.SynchronizeBatchNorm = true)).Message);
        StringAssert.StartsWith(errors[1], "SynchronizeBatchNorm needs SharedAscent");
        Assert.HasCount(3, Train(null, options => options.SynchronizeBatchNorm = true).History);
    }

    [TestMethod]
    public void OnlyTheFirstLogsReportsAndWritesCheckpoints()
    {
        using var folder = new TemporaryFolder();
        string[][] seen = ThreadProcessGroup.Run(2, group =>
        {
            List<string> said = [];
            Train(group, options =>
            {
                options.MetricsCallback = epoch => said.Add($"epoch {epoch.Epoch}");
                options.CheckpointPath = folder.File($"of {group.Rank}");
                options.Seed = group.Rank == 0 ? 1 : null;
            }, said.Add, seed: 1);
            return said.ToArray();
        });

        CollectionAssert.IsSubsetOf(new[] { "epoch 1", "epoch 3" }, seen[0]);
        Assert.IsTrue(Array.Exists(seen[0], line => line.Contains("Temperature")), string.Join('\n', seen[0]));
        Assert.IsEmpty(seen[1]);
        Assert.IsTrue(File.Exists(folder.File("of 0")));
        Assert.IsFalse(File.Exists(folder.File("of 1")));
    }

    [TestMethod]
    public void ACancelledTrainingStopsInAllAndContinuesToTheSameWeightsByAnyNumberOfProcessesThatClimbTogether()
    {
        using var folder = new TemporaryFolder();
        Result[] undisturbed = ThreadProcessGroup.Run(2, group => Train(group, WithoutBatchNorm));

        ThreadProcessGroup.Run(2, group =>
        {
            using var cancel = new CancellationTokenSource();
            Action<SharpnessAwareImageClassificationTrainer.Options> change = WithoutBatchNorm + (options =>
            {
                options.CheckpointPath = folder.File("checkpoint");
                options.CancellationToken = cancel.Token;
                options.MetricsCallback = _ => cancel.Cancel();     // of the first process alone
            });
            Assert.Throws<OperationCanceledException>(() => Train(group, change));
            return 0;
        });
        File.Copy(folder.File("checkpoint"), folder.File("other"));
        Result[] continued = ThreadProcessGroup.Run(
            2, group => Train(group, WithoutBatchNorm + (options => options.CheckpointPath = folder.File("checkpoint"))));
        Result[] byThree = ThreadProcessGroup.Run(
            3, group => Train(group, WithoutBatchNorm + (options => options.CheckpointPath = folder.File("other"))));

        CollectionAssert.AreEqual(undisturbed[0].Weights, continued[0].Weights);
        CollectionAssert.AreEqual(undisturbed[0].Weights, continued[1].Weights);
        Assert.HasCount(2, byThree[2].History);
        for (int i = 0; i < byThree[0].Weights.Length; i++)
            Assert.AreEqual(undisturbed[0].Weights[i], byThree[0].Weights[i], 1e-4f);
    }

    [TestMethod]
    public void ACheckpointOfClimbsOfTheirOwnIsRefusedByAnotherNumberOfProcesses()
    {
        using var folder = new TemporaryFolder();
        ThreadProcessGroup.Run(2, group => Train(group, options => options.CheckpointPath = folder.File("checkpoint")));

        string[] errors = ThreadProcessGroup.Run(3, group => Assert.Throws<Exception>(
            () => Train(group, options => options.CheckpointPath = folder.File("checkpoint"))).Message);
        string alone = Assert.ThrowsExactly<InvalidDataException>(
            () => Train(null, options => options.CheckpointPath = folder.File("checkpoint"))).Message;

        StringAssert.Contains(errors[0], "number of processes, each with a climb of its own was 2, now 3");
        StringAssert.Contains(errors[1], "Process 0 of 3");
        StringAssert.Contains(errors[1], errors[0]);
        StringAssert.Contains(alone, "number of processes, each with a climb of its own was 2");
    }

    [TestMethod]
    [DataRow("BatchSize")]
    [DataRow("images")]
    [DataRow("Seed")]
    [DataRow("SharedAscent")]
    public void DifferentDataOrOptionsAreFoundBeforeTheFirstStep(string what)
    {
        (string, string)[] errors = ThreadProcessGroup.Run(3, group =>
        {
            bool differs = group.Rank == 1;
            Exception error = Assert.Throws<Exception>(() => Train(
                group,
                options =>
                {
                    options.BatchSize = differs && what == "BatchSize" ? 17 : 16;
                    options.Seed = differs && what == "Seed" ? 2 : 1;
                    options.SharedAscent = differs && what == "SharedAscent";
                    options.MetricsCallback = _ => Assert.Fail("an epoch has passed");
                },
                rows: differs && what == "images" ? Shapes.Pixels(61, seed: 4) : Rows));
            return (error.GetType().Name, error.Message);
        });

        Assert.AreEqual(nameof(InvalidOperationException), errors[1].Item1);
        Assert.AreEqual(nameof(ProcessGroupException), errors[0].Item1);
        Assert.AreEqual(nameof(ProcessGroupException), errors[2].Item1);
        StringAssert.Contains(errors[1].Item2, $"{what} is");
        StringAssert.Contains(errors[2].Item2, "Process 1 of 3");
        StringAssert.Contains(errors[2].Item2, errors[1].Item2);
    }

    [TestMethod]
    public void AnErrorInOneEndsAllAndTheGroupCanTrainAgain()
    {
        ThreadProcessGroup.Run(2, group =>
        {
            Exception error = Assert.Throws<Exception>(() => Train(
                group, options => options.FeatureColumnName = group.Rank == 1 ? "Picture" : "Image"));
            if (group.Rank == 1)
                StringAssert.Contains(error.Message, "Picture");
            else
                Assert.AreEqual(1, ((ProcessGroupException)error).Rank);
            Assert.HasCount(3, Train(group, _ => { }).History);
            return 0;
        });
    }

    [TestMethod]
    public void FewerImagesThanProcessesAreAnError()
    {
        string[] errors = ThreadProcessGroup.Run(3, group => Assert.ThrowsExactly<InvalidOperationException>(
            () => Train(group, options => options.BatchSize = 2)).Message);

        StringAssert.Contains(errors[2], "cannot be shared out to 3 processes");
        StringAssert.Contains(errors[2], "BatchSize");
    }

    [TestMethod]
    public void WithoutValidationImagesAndWithAFrozenBackboneItWorksAsWell()
    {
        using var folder = new TemporaryFolder();
        string weights = folder.File("weights.safetensors");
        var mlContext = new MLContext(seed: 1);
        using (SharpnessAwareImageClassificationTransformer model = Fitted.Model(mlContext, Fitted.View(mlContext, Rows)))
            model.SaveWeights(weights);

        foreach (Augmentation augmentation in new[] { Augmentation.None, Augmentation.Standard })
        {
            Result[] together = ThreadProcessGroup.Run(2, group => Train(group, options =>
            {
                options.InitialWeights = weights;
                options.FreezeBackbone = true;
                options.ValidationSetFraction = null;
                options.Augmentation = augmentation;
            }));
            CollectionAssert.AreEqual(together[0].Weights, together[1].Weights);
        }

        string[] refused = ThreadProcessGroup.Run(2, group => Assert.ThrowsExactly<NotSupportedException>(
            () => Train(group, options => options.InitialWeights = weights)).Message);
        StringAssert.Contains(refused[1], "set FineTuning to Full");
    }

    private static Result Train(ProcessGroup? group, Action<SharpnessAwareImageClassificationTrainer.Options> change,
        Action<string>? log = null, int seed = 5, List<PixelRow>? rows = null)
    {
        var mlContext = new MLContext(seed);
        IDataView data = Fitted.View(mlContext, rows ?? Rows);
        if (log is not null)
        {
            mlContext.Log += (_, entry) =>
            {
                if (entry.Source.Contains("SharpnessAwareImageClassificationTrainer"))
                    log(entry.Message);
            };
        }
        using SharpnessAwareImageClassificationTransformer model = Fitted.Model(mlContext, data, options =>
        {
            options.ProcessGroup = group;
            options.ValidationSetFraction = 0.25;
            change(options);
        });
        using var file = new TemporaryFolder();
        model.SaveWeights(file.File("weights"));
        return new(Weights(file.File("weights")), model.Temperature, model.History);
    }

    private static float[] Weights(string path)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        using FileStream stream = File.OpenRead(path);
        return [.. SafetensorsFile.Read(stream, stream.Length).OrderBy(entry => entry.Key, StringComparer.Ordinal)
            .SelectMany(entry => entry.Value.to(torch.float32).reshape(-1).data<float>().ToArray())];
    }

    private sealed record Result(float[] Weights, double Temperature, IReadOnlyList<EpochMetrics> History);
}
