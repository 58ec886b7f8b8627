using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

/// <summary>Trainings by several processes (threads here), each with the images of its own rows.</summary>
[TestClass]
public sealed class DataShardingTests
{
    private static readonly List<PixelRow> Rows = Shapes.Pixels(61, seed: 3);

    [TestMethod]
    [DataRow("mpirun.openmpi", 2)]
    [DataRow("mpirun.mpich", 4, "half of the batch", "batch norm")]
    public void TheModelIsThatOfOneProcessWithTheSameMiniBatches(string launcher, int size, params string[] settings)
    {
        using var folder = new TemporaryFolder();
        settings = settings.Length == 0 ? TrainingInDoubles.Settings : settings;
        (int exitCode, string output, string error) = MpiRun.Run(
            launcher, size, FreshProcess.Program, ["group", "shares", folder.Path, .. settings]);
        Assert.AreEqual(0, exitCode, error);

        foreach (string setting in settings)
        {
            Result alone = InDoubles(setting, options => options.OrderOfShares = size);
            Result inOrder = InDoubles(setting, _ => { });
            double[][] together =
                [.. Enumerable.Range(0, size).Select(rank => WeightsOf(File.OpenRead(folder.File($"{setting}.{rank}"))))];

            foreach (double[] each in together)
                CollectionAssert.AreEqual(together[0], each, "the processes differ");
            Assert.IsLessThan(1e-12, TestNets.Distance(alone.Weights, together[0]), setting);
            Assert.IsGreaterThan(1e-6, TestNets.Distance(inOrder.Weights, together[0]), "the mini-batches were those of no shares");
            double[] said = [.. output.Split('\n').First(line => line.StartsWith($"[{size - 1}] {setting}:", StringComparison.Ordinal))
                .Split(':')[1].Split(' ', StringSplitOptions.RemoveEmptyEntries)
                .Select(number => double.Parse(number, CultureInfo.InvariantCulture))];
            EpochMetrics last = alone.History[^1];
            Assert.AreEqual(last.TrainLoss, said[0], 1e-12);
            Assert.AreEqual(last.ValidationLogLoss, said[1], 1e-6);
            Assert.AreEqual(last.ValidationAccuracy, said[2]);
            Assert.AreEqual(alone.Temperature, said[3], 1e-6);
        }
    }

    [TestMethod]
    [DataRow(2)]
    [DataRow(3)]
    [DataRow(4)]
    public void InFloatsItIsThatOfOneProcessAsWell(int size)
    {
        Action<SharpnessAwareImageClassificationTrainer.Options> change = options =>
        {
            options.FreezeBatchNorm = true;
            options.BatchSize = 13;
            options.SharedAscent = true;
            options.BaseOptimizer = new BaseOptimizer.Sgd(0.01);
            options.Augmentation = Augmentation.Standard;
        };
        Result alone = Train(null, change + (options => options.OrderOfShares = size));
        Result[] together = ThreadProcessGroup.Run(size, group => Train(group, change));

        foreach (Result each in together)
            CollectionAssert.AreEqual(together[0].Weights, each.Weights, "the processes differ");
        Assert.IsLessThan(1e-6, TestNets.Distance(alone.Weights, together[0].Weights));
        Assert.AreEqual(alone.Temperature, together[^1].Temperature, 1e-3);
        EpochMetrics expected = alone.History[^1], actual = together[0].History[^1];
        Assert.AreEqual(expected.ValidationExpectedCalibrationError, actual.ValidationExpectedCalibrationError, 1e-4);
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void WithAFrozenBackboneTheHeadIsThatOfOneProcess(bool augments)
    {
        using var folder = new TemporaryFolder();
        string weights = folder.File("weights.safetensors");
        var mlContext = new MLContext(seed: 1);
        using (SharpnessAwareImageClassificationTransformer model = Fitted.Model(mlContext, Fitted.View(mlContext, Rows)))
            model.SaveWeights(weights);
        Action<SharpnessAwareImageClassificationTrainer.Options> change = options =>
        {
            options.InitialWeights = weights;
            options.FreezeBackbone = true;
            options.SharedAscent = true;
            options.Augmentation = augments ? Augmentation.None with { HorizontalFlip = true } : Augmentation.None;
        };

        Result alone = Train(null, change + (options => options.OrderOfShares = 3));
        Result[] together = ThreadProcessGroup.Run(3, group => Train(group, change));

        CollectionAssert.AreEqual(together[0].Weights, together[2].Weights);
        Assert.IsLessThan(1e-5, TestNets.Distance(alone.Weights, together[0].Weights));
    }

    [TestMethod]
    public void WithBatchNormMixedImagesAndClimbsOfTheirOwnAllHaveTheSameModel()
    {
        Result[] together = ThreadProcessGroup.Run(2, group => Train(group, options =>
        {
            options.Augmentation = Augmentation.Standard with { Mixup = 0.2, CutMix = 1 };
            options.WeightAveraging = new WeightAveraging.Exponential();
            options.EarlyStoppingCriteria = new EarlyStopping(Patience: 2);
            options.Epoch = 8;
        }));

        CollectionAssert.AreEqual(together[0].Weights, together[1].Weights);
        Assert.AreEqual(together[0].Temperature, together[1].Temperature);
        Assert.IsLessThan(together[0].History[0].TrainLoss, together[0].History[^1].TrainLoss);
    }

    [TestMethod]
    public void WithoutValidationImagesItWorksAsWell()
    {
        Result[] together = ThreadProcessGroup.Run(2, group => Train(group, options => options.ValidationSetFraction = null));

        CollectionAssert.AreEqual(together[0].Weights, together[1].Weights);
        Assert.AreEqual(1, together[1].Temperature);
    }

    [TestMethod]
    public void ATrainingContinuesWithAsManyProcessesAndIsRefusedByOthers()
    {
        using var folder = new TemporaryFolder();
        Action<SharpnessAwareImageClassificationTrainer.Options> change = options =>
        {
            options.SharedAscent = true;
            options.BatchSize = 20;
        };
        Result[] undisturbed = ThreadProcessGroup.Run(2, group => Train(group, change));
        Action<SharpnessAwareImageClassificationTrainer.Options> saved =
            change + (options => options.CheckpointPath = folder.File("checkpoint"));
        ThreadProcessGroup.Run(2, group =>
        {
            using var cancel = new CancellationTokenSource();
            Assert.Throws<OperationCanceledException>(() => Train(group, saved + (options =>
            {
                options.CancellationToken = cancel.Token;
                options.MetricsCallback = _ => cancel.Cancel();
            })));
            return 0;
        });

        string[] byThree = ThreadProcessGroup.Run(3, group => Assert.Throws<Exception>(() => Train(group, saved)).Message);
        string alone = Assert.ThrowsExactly<InvalidDataException>(() => Train(null, saved)).Message;
        string unshared = ThreadProcessGroup.Run(2, group => Assert.Throws<Exception>(
            () => Train(group, saved + (options => options.Sharding = DataSharding.None))).Message)[0];
        Result[] continued = ThreadProcessGroup.Run(2, group => Train(group, saved));

        StringAssert.Contains(byThree[0], "number of processes, each with rows of its own was 2, now 3");
        StringAssert.Contains(byThree[2], byThree[0]);
        StringAssert.Contains(alone, "number of processes, each with rows of its own was 2, now not known");
        StringAssert.Contains(unshared, "number of processes, each with rows of its own was 2, now not known");
        CollectionAssert.AreEqual(undisturbed[0].Weights, continued[0].Weights);
        CollectionAssert.AreEqual(undisturbed[0].Weights, continued[1].Weights);
    }

    [TestMethod]
    public void ADifferenceInShardingIsFoundBeforeTheDataAreRead()
    {
        string[] errors = ThreadProcessGroup.Run(2, group => Assert.Throws<Exception>(() => Train(
            group, options => options.Sharding = group.Rank == 0 ? DataSharding.None : DataSharding.ByRow)).Message);

        StringAssert.Contains(errors[1], "Sharding is not the same for all processes: it is ByRow here, in process 1");
    }

    [TestMethod]
    public void OneRowMoreInOneProcessEndsAllWithAnErrorThatNamesIt()
    {
        string[] errors = ThreadProcessGroup.Run(3, group => Assert.Throws<Exception>(() => Train(
            group, _ => { }, rows: group.Rank == 2 ? Shapes.Pixels(62, seed: 3) : Rows)).Message);

        StringAssert.Contains(errors[2], "Process 2 reads other data than process 0: 62 rows here and 61 there");
        StringAssert.Contains(errors[0], errors[2]);
        StringAssert.Contains(errors[1], errors[2]);
    }

    [TestMethod]
    public void SkippedImagesOfAllProcessesAreLogged()
    {
        List<EncodedRow> rows = Shapes.Encoded(40);
        int[] damaged = [3, 4, 20];
        foreach (int row in damaged)
            rows[row].Image = [1, 2, 3];
        (string Log, Result Result)[] all = ThreadProcessGroup.Run(2, group =>
        {
            List<string> log = [];
            return (Log: "", Result: Train(group, options => options.OnBadImage = OnBadImage.Skip, log.Add, rows: rows)) with
            {
                Log = string.Join('\n', log),
            };
        });

        CollectionAssert.AreEqual(all[0].Result.Weights, all[1].Result.Weights);
        foreach (int row in damaged)
            StringAssert.Contains(all[0].Log, $"row {row} ");
        StringAssert.Contains(all[0].Log, "Of the images of process 1, ");
        Assert.AreEqual("", all[1].Log);
    }

    [TestMethod]
    public void AShareInACacheIsThatInMemoryAndItsChannelsMustBeGiven()
    {
        using var folder = new TemporaryFolder();
        List<EncodedRow> rows = Shapes.Encoded(40);
        Action<SharpnessAwareImageClassificationTrainer.Options> channels = options => options.ImageChannels = 1;
        Action<SharpnessAwareImageClassificationTrainer.Options> cached = options => options.WorkspacePath = folder.Path;
        Result[] inMemory = ThreadProcessGroup.Run(2, group => Train(group, channels, rows: rows));
        for (int round = 0; round < 2; round++)
        {
            Result[] inCache = ThreadProcessGroup.Run(2, group => Train(group, channels + cached, rows: rows));
            CollectionAssert.AreEqual(inMemory[0].Weights, inCache[1].Weights);
        }

        // One process finds its share, the other has to read it again: they meet all the same.
        File.Delete(Directory.GetFiles(folder.Path)[0]);
        Result[] onceMore = ThreadProcessGroup.Run(2, group => Train(group, channels + cached, rows: rows));
        CollectionAssert.AreEqual(inMemory[0].Weights, onceMore[1].Weights);

        string[] refused = ThreadProcessGroup.Run(2, group => Assert.ThrowsExactly<InvalidOperationException>(
            () => Train(group, cached, rows: rows)).Message);
        StringAssert.Contains(refused[1], "set ImageChannels to 1 or 3");
    }

    [TestMethod]
    public void MiniBatchesTooSmallForAllAreAnErrorAndNoShareIsNone()
    {
        string[] errors = ThreadProcessGroup.Run(3, group => Assert.ThrowsExactly<InvalidOperationException>(
            () => Train(group, options => options.BatchSize = 2)).Message);
        StringAssert.Contains(errors[2], "cannot be shared out to 3 processes");

        Result plain = Train(null, options => options.Sharding = DataSharding.None), one = Train(null, _ => { });
        CollectionAssert.AreEqual(plain.Weights, one.Weights);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Train(null, options => options.Sharding = (DataSharding)7));
    }

    private static Result Train(ProcessGroup? group, Action<SharpnessAwareImageClassificationTrainer.Options> change,
        Action<string>? log = null) => Train(group, change, log, Rows);

    private static Result Train<TRow>(ProcessGroup? group, Action<SharpnessAwareImageClassificationTrainer.Options> change,
        Action<string>? log = null, List<TRow>? rows = null)
        where TRow : class
    {
        var mlContext = new MLContext(5);
        IDataView data = Fitted.View(mlContext, rows!);
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
            options.Sharding = DataSharding.ByRow;
            options.ValidationSetFraction = 0.25;
            options.ImageWidth = options.ImageHeight = typeof(TRow) == typeof(PixelRow) ? null : Shapes.Size;
            change(options);
        });
        return new(WeightsOf(model.Classifier.Network), model.Temperature, model.History);
    }

    private static Result InDoubles(string setting, Action<SharpnessAwareImageClassificationTrainer.Options> change)
    {
        var mlContext = new MLContext(seed: 1);
        SharpnessAwareImageClassificationTrainer.Options options = TrainingInDoubles.Options(mlContext, setting);
        change(options);
        using SharpnessAwareImageClassificationTransformer model = mlContext.MulticlassClassification.Trainers
            .SharpnessAwareImageClassification(options).Fit(TrainingInDoubles.Data(mlContext));
        return new(WeightsOf(model.Classifier.Network), model.Temperature, model.History);
    }

    private static double[] WeightsOf(Stream file)
    {
        using DisposeScope scope = NewDisposeScope();
        using (file)
            return Flat(SafetensorsFile.Read(file, file.Length));
    }

    private static double[] WeightsOf(nn.Module network)
    {
        using DisposeScope scope = NewDisposeScope();
        return Flat(network.state_dict());
    }

    private static double[] Flat(IEnumerable<KeyValuePair<string, Tensor>> tensors) => [.. tensors
        .OrderBy(entry => entry.Key, StringComparer.Ordinal)
        .SelectMany(entry => entry.Value.to(float64).reshape(-1).data<double>().ToArray())];

    private sealed record Result(double[] Weights, double Temperature, IReadOnlyList<EpochMetrics> History);
}
