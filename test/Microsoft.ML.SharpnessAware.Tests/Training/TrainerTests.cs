using System.Reflection;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class TrainerTests
{
    [TestMethod]
    public void HowAVectorOfOneDimensionIsReadIsLoggedOnce()
    {
        var mlContext = new MLContext(1);
        List<string> log = [];
        mlContext.Log += (_, e) => log.Add(e.Message);
        IDataView flat = Fitted.View(mlContext, Shapes.Pixels(18)
            .Select(row => new FlatRow { Label = row.Label, Image = [.. row.Image, .. row.Image, .. row.Image] }));
        Fitted.Model(mlContext, flat, options =>
            (options.ImageWidth, options.ImageHeight, options.Epoch) = (Shapes.Size, Shapes.Size, 1)).Dispose();
        StringAssert.Contains(log.Single(message => message.Contains("all red", StringComparison.Ordinal)), "[VectorType(12, 12, 3)]");
    }

    [TestMethod]
    [DataRow("SGD")]
    [DataRow("SAM")]
    [DataRow("SSAM")]
    [DataRow("CSAM")]
    [DataRow("ASAM")]
    public void EveryMethodLearnsTheStripes(string name)
    {
        SharpnessAwareMethod method = name switch
        {
            "SGD" => SharpnessAwareMethod.Standard,
            "SAM" => SharpnessAwareMethod.Sam(),
            "SSAM" => SharpnessAwareMethod.Ssam(),
            "CSAM" => SharpnessAwareMethod.Csam(),
            _ => SharpnessAwareMethod.Asam(),
        };
        var mlContext = new MLContext(1);
        using var model = Fitted.Model(mlContext, Fitted.View(mlContext, Shapes.Pixels(150)), options =>
        {
            options.Method = method;
            options.Epoch = 6;
        });

        MulticlassClassificationMetrics metrics = mlContext.MulticlassClassification.Evaluate(
            model.Transform(Fitted.View(mlContext, Shapes.Pixels(60, seed: 9))));

        Assert.IsGreaterThan(0.95, metrics.MicroAccuracy);
        Assert.AreEqual(method, model.Method);
        Assert.HasCount(6, model.History);
        Assert.IsLessThan(model.History[0].TrainLoss, model.History[5].TrainLoss);
    }

    [TestMethod]
    public void AllKindsOfFeatureColumnGiveAModel()
    {
        var mlContext = new MLContext(1);
        IDataView encoded = Fitted.View(mlContext, Shapes.Encoded(60));
        IDataView images = mlContext.Transforms.CopyColumns("Bytes", "Image").Fit(encoded).Transform(encoded);
        foreach (IDataView data in new[] { encoded, Fitted.View(mlContext, Shapes.Pixels(60)), Fitted.View(mlContext, Shapes.Floats(60)),
            images })
        {
            using var model = Fitted.Model(mlContext, data, options =>
            {
                options.Epoch = 1;
                options.ImageWidth = options.ImageHeight = Shapes.Size;
            });
            float[][] scores = Fitted.Scores(mlContext, model.Transform(data));
            Assert.HasCount(60, scores);
            foreach (float[] row in scores)
                Assert.AreEqual(1.0, row.Sum(p => (double)p), 1e-5);
        }
    }

    [TestMethod]
    [DataRow(NetworkArchitecture.ConvNet)]
    [DataRow(NetworkArchitecture.ResNet20)]
    [DataRow(NetworkArchitecture.ResNet18)]
    [DataRow(NetworkArchitecture.VitTiny)]
    public void NetworksOfEveryFamilyTrainAndSurviveTheModelFile(string network)
    {
        var mlContext = new MLContext(1);
        IDataView data = Fitted.View(mlContext, Shapes.Pixels(24));
        using var model = Fitted.Model(mlContext, data, options =>
        {
            options.Arch = network;
            options.Epoch = 1;
        });
        using var stream = new MemoryStream();
        mlContext.Model.Save(model, data.Schema, stream);
        ITransformer loaded = new MLContext().Model.Load(stream, out _);

        float[] scores = [.. Fitted.Scores(mlContext, model.Transform(data)).SelectMany(row => row)];
        CollectionAssert.AreEqual(scores, Fitted.Scores(mlContext, loaded.Transform(data)).SelectMany(row => row).ToArray());
        Assert.IsTrue(scores.All(float.IsFinite));
        ((IDisposable)loaded).Dispose();
    }

    [TestMethod]
    public void TheSameSeedGivesBitIdenticalScoresAndAnotherSeedDoesNot()
    {
        float[][] Train(int seed)
        {
            var mlContext = new MLContext(seed);
            IDataView data = Fitted.View(mlContext, Shapes.Pixels(48));
            using var model = Fitted.Model(mlContext, data, options => options.Augmentation = Augmentation.Standard);
            return Fitted.Scores(mlContext, model.Transform(data));
        }

        float[][] first = Train(5), again = Train(5), other = Train(6);

        CollectionAssert.AreEqual(first.SelectMany(row => row).ToArray(), again.SelectMany(row => row).ToArray());
        CollectionAssert.AreNotEqual(first.SelectMany(row => row).ToArray(), other.SelectMany(row => row).ToArray());
    }

    [TestMethod]
    public void ImageNetsStatisticsAreSavedInTheModel()
    {
        var mlContext = new MLContext(1);
        IDataView data = Fitted.View(mlContext, Shapes.Encoded(24));
        using var model = Fitted.Model(mlContext, data, options =>
        {
            options.Normalization = PixelNormalization.ImageNet;
            options.ImageWidth = Shapes.Size;
            options.Epoch = 1;
        });
        using var stream = new MemoryStream();
        mlContext.Model.Save(model, data.Schema, stream);
        using var loaded = (SharpnessAwareImageClassificationTransformer)mlContext.Model.Load(stream, out _);
        Assert.AreEqual(0.485 * 255, loaded.Classifier.Normalization.Statistics.Mean[0], 1e-9);
        Assert.AreEqual(0.225 * 255, loaded.Classifier.Normalization.Statistics.StandardDeviation[2], 1e-9);
    }

    [TestMethod]
    public void ColoursOfFloatsOfNoKnownScaleAreAnErrorBeforeTraining()
    {
        var mlContext = new MLContext(1);
        List<FloatRow> rows = Shapes.Floats(12);
        rows[3].Image[0] = -0.5f;
        IDataView data = Fitted.View(mlContext, rows);
        string message = Assert.ThrowsExactly<InvalidOperationException>(
            () => Fitted.Model(mlContext, data, options => options.Augmentation = Augmentation.Light)).Message;
        StringAssert.Contains(message, "run from -0.5 to");
        Fitted.Model(mlContext, data, options => (options.Augmentation, options.Epoch) = (Augmentation.Standard, 1)).Dispose();
    }

    [TestMethod]
    public void TrainingLeavesTheApplicationsRandomStateAlone()
    {
        var mlContext = new MLContext(1);
        IDataView data = Fitted.View(mlContext, Shapes.Pixels(48));
        TorchSharp.torch.random.manual_seed(77);
        using var expected = TorchSharp.torch.rand(3);
        TorchSharp.torch.random.manual_seed(77);

        using var model = Fitted.Model(mlContext, data, options => options.Epoch = 1);

        using var actual = TorchSharp.torch.rand(3);
        CollectionAssert.AreEqual(expected.data<float>().ToArray(), actual.data<float>().ToArray());
    }

    [TestMethod]
    public void TheCallbackSeesEveryEpochAndTheSameNumbersAreKept()
    {
        var mlContext = new MLContext(1);
        var seen = new List<EpochMetrics>();
        var logged = new List<string>();
        mlContext.Log += (_, e) =>
        {
            lock (logged)
                logged.Add(e.Message);
        };

        using var model = Fitted.Model(mlContext, Fitted.View(mlContext, Shapes.Pixels(60)), options => options.MetricsCallback = seen.Add);

        CollectionAssert.AreEqual(new[] { 1, 2, 3 }, seen.Select(epoch => epoch.Epoch).ToArray());
        CollectionAssert.AreEqual(seen, model.History.ToList());
        foreach (EpochMetrics epoch in seen)
        {
            Assert.IsTrue(epoch.ValidationAccuracy is >= 0 and <= 1);
            Assert.IsTrue(double.IsFinite(epoch.ValidationLogLoss + epoch.TrainLoss + epoch.ValidationExpectedCalibrationError));
            Assert.IsGreaterThan(0, epoch.ImagesPerSecond);
        }
        Assert.IsTrue(logged.Any(line => line.Contains("Epoch 2/3", StringComparison.Ordinal)));
        Assert.IsTrue(logged.Any(line => line.Contains("temperature", StringComparison.OrdinalIgnoreCase)));
    }

    [TestMethod]
    public void TheProgressChannelGetsACheckpointForEachEpoch()
    {
        var mlContext = new MLContext(1);
        using var model = Fitted.Model(mlContext, Fitted.View(mlContext, Shapes.Pixels(60)));

        // ML.NET hands its progress only to its own tools; a test looks where they look.
        object environment = typeof(MLContext).GetField("_env", BindingFlags.NonPublic | BindingFlags.Instance)!.GetValue(mlContext)!;
        Type type = environment.GetType();
        const BindingFlags Declared = BindingFlags.NonPublic | BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly;
        while (type.GetField("ProgressTracker", Declared) is null)
            type = type.BaseType!;
        var tracker = (ProgressReporting.ProgressTracker)type.GetField(
            "ProgressTracker", BindingFlags.NonPublic | BindingFlags.Public | BindingFlags.Instance)!.GetValue(environment)!;
        ProgressReporting.ProgressEvent[] checkpoints = [.. tracker.GetAllProgress().Where(e =>
            e.Name.Contains("SharpnessAware", StringComparison.Ordinal) && e.Kind == ProgressReporting.ProgressEvent.EventKind.Progress
            && e.ProgressEntry.IsCheckpoint)];

        const double StepsPerEpoch = 4;     // 54 images, a tenth being validated on, in batches of 16
        Assert.HasCount(3, checkpoints);
        foreach ((EpochMetrics epoch, ProgressReporting.ProgressEvent told) in model.History.Zip(checkpoints))
        {
            double?[] metrics =
                [epoch.TrainLoss, epoch.ValidationAccuracy, epoch.ValidationLogLoss, epoch.ValidationExpectedCalibrationError];
            CollectionAssert.AreEqual(metrics, told.ProgressEntry.Metrics);
            CollectionAssert.AreEqual(new double?[] { epoch.Epoch, epoch.Epoch * StepsPerEpoch }, told.ProgressEntry.Progress);
        }
    }

    [TestMethod]
    public void CancellationStopsTheTraining()
    {
        var mlContext = new MLContext(1);
        IDataView data = Fitted.View(mlContext, Shapes.Pixels(60));
        using var source = new CancellationTokenSource();
        int epochs = 0;

        Assert.ThrowsExactly<OperationCanceledException>(() => Fitted.Model(mlContext, data, options =>
        {
            options.CancellationToken = source.Token;
            options.MetricsCallback = _ =>
            {
                epochs++;
                source.Cancel();
            };
        }));
        Assert.AreEqual(1, epochs);
    }

    /// <summary>A large validation set takes as long as many steps.</summary>
    [TestMethod]
    public void CancellationDoesNotWaitForTheValidationToEnd()
    {
        CountingNetwork.Register();
        var mlContext = new MLContext(1);
        using var source = new CancellationTokenSource();
        CountingNetwork.Images = 0;
        CountingNetwork.Passed = () =>
        {
            if (CountingNetwork.Images > 2 * 60)        // two passes of a step for each image: the rest are validation
                source.Cancel();
        };
        try
        {
            Assert.ThrowsExactly<OperationCanceledException>(() =>
            Fitted.Model(mlContext, Fitted.View(mlContext, Shapes.Pixels(60)), options =>
            {
                (options.Arch, options.Epoch, options.CancellationToken) = (CountingNetwork.Name, 1, source.Token);
                options.ValidationSet = Fitted.View(mlContext, Shapes.Pixels(300, seed: 4));
            }));
            Assert.IsLessThan(2 * 60 + 100, CountingNetwork.Images);
        }
        finally
        {
            CountingNetwork.Passed = null;
        }
    }

    [TestMethod]
    public void CancellingTheMLContextStopsTheTraining()
    {
        var mlContext = new MLContext(1);
        IDataView data = Fitted.View(mlContext, Shapes.Pixels(60));

        Assert.Throws<OperationCanceledException>(() =>
            Fitted.Model(mlContext, data, options => options.MetricsCallback = _ => mlContext.CancelExecution()));
    }

    [TestMethod]
    public void ANetworkOfTheUsersOwnIsTrainedSavedAndFoundAgain()
    {
        NetworkArchitecture.Register("test-linear", classes => TorchSharp.torch.nn.Sequential(
            TorchSharp.torch.nn.Flatten(), TorchSharp.torch.nn.Linear(Shapes.Size * Shapes.Size, classes)));
        var mlContext = new MLContext(1);
        IDataView data = Fitted.View(mlContext, Shapes.Pixels(60));
        using var model = Fitted.Model(mlContext, data, options => options.Arch = "test-linear");
        using var stream = new MemoryStream();
        mlContext.Model.Save(model, data.Schema, stream);

        ITransformer loaded = new MLContext().Model.Load(stream, out _);

        Assert.AreEqual("test-linear", model.Architecture);
        CollectionAssert.AreEqual(Fitted.Scores(mlContext, model.Transform(data))[7], Fitted.Scores(mlContext, loaded.Transform(data))[7]);
    }

    [TestMethod]
    public void ParametersThatAUsersNetworkMakesItselfLiveAsLongAsTheModel()
    {
        NetworkArchitecture.Register("test-own-parameter", classes => new OwnParameter(classes));
        var mlContext = new MLContext(1);
        IDataView data = Fitted.View(mlContext, Shapes.Pixels(30));
        using var model = Fitted.Model(mlContext, data, options => options.Arch = "test-own-parameter");
        using var stream = new MemoryStream();
        mlContext.Model.Save(model, data.Schema, stream);
        ITransformer loaded = new MLContext().Model.Load(stream, out _);

        CollectionAssert.AreEqual(Fitted.Scores(mlContext, model.Transform(data))[3], Fitted.Scores(mlContext, loaded.Transform(data))[3]);
    }

    private sealed class OwnParameter : TorchSharp.torch.nn.Module<TorchSharp.torch.Tensor, TorchSharp.torch.Tensor>
    {
        private readonly TorchSharp.Modules.Parameter _weight;

        public OwnParameter(int classes)
            : base(nameof(OwnParameter))
        {
            _weight = TorchSharp.torch.nn.Parameter(TorchSharp.torch.randn(Shapes.Size * Shapes.Size, classes));
            RegisterComponents();
        }

        public override TorchSharp.torch.Tensor forward(TorchSharp.torch.Tensor input) => input.flatten(1).matmul(_weight);
    }

    [TestMethod]
    public void TrainingLeavesNoTensorsBehind()
    {
        var mlContext = new MLContext(1);
        IDataView data = Fitted.View(mlContext, Shapes.Pixels(48));
        void TrainAndScore()
        {
            using var model = Fitted.Model(mlContext, data, options => options.Epoch = 1);
            Fitted.Scores(mlContext, model.Transform(data));
        }
        static void MakeNetwork() => NetworkArchitecture.Create(NetworkArchitecture.ResNet8, 3, new ImageShape(1, Shapes.Size, Shapes.Size))
            .Dispose();
        static long Growth(Action action)
        {
            long before = TorchSharp.torch.Tensor.TotalCount;
            action();
            return TorchSharp.torch.Tensor.TotalCount - before;
        }
        TrainAndScore();

        // TorchSharp's count grows for each parameter that is made, even where all is disposed: no more than that (MemoryTests counts it
        // exactly).
        Assert.IsLessThanOrEqualTo(2 * Growth(MakeNetwork), Growth(TrainAndScore));     // one to see that it can be made
    }

    private sealed class FlatRow
    {
        public string Label { get; set; } = "";

        [VectorType(3 * Shapes.Size * Shapes.Size)]
        public byte[] Image { get; set; } = [];
    }
}
