using Microsoft.ML.Data;
using SkiaSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Which network and which weights a training starts from, by its options, its data and what lies beside the
/// application.</summary>
[TestClass]
public sealed class StartingPointTests
{
    private static readonly TemporaryFolder Empty = new();

    [ClassCleanup]
    public static void Clean() => Empty.Dispose();

    [TestMethod]
    public void EncodedPicturesAndTheWeightsOfThePackageGiveThePretrainedNetwork()
    {
        (SharpnessAwareImageClassificationTransformer model, List<string> log) = Fit(Encoded(), _ => { });
        using (model)
        {
            Assert.AreEqual(NetworkArchitecture.MLNetResNet18, model.Architecture);
            Assert.AreEqual(new ImageShape(3, 32, 32), model.Classifier.Shape);
            Assert.HasCount(1, model.History);
            AssertLogged(log, $"The network is 'mlnet_resnet18' and starts from the weights in '{OnnxFile.ResNet18}'");
            AssertLogged(log, "images went through the backbone once");
            AssertLogged(log, "each by a head that had not seen it");
            AssertLogged(log, "Fine-tuning 'mlnet_resnet18' from the weights in 'ResNet18.onnx', on 3×32×32 values of");
            AssertLogged(log, "each scored by a head that has not seen it. Fewer than 100 say little about probabilities");
        }
    }

    [TestMethod]
    public void GreyPicturesAreBroughtToColourForWeightsThatKnowColour()
    {
        var mlContext = new MLContext(1);
        IDataView grey = Fitted.View(mlContext, Shapes.Pixels(18, seed: 2)
            .Select(row => new EncodedRow { Label = row.Label, Image = GreyPng(row.Image) }));
        (SharpnessAwareImageClassificationTransformer model, _) = Fit(grey, _ => { }, mlContext);
        using (model)
            Assert.AreEqual(3, model.Classifier.Shape.Channels);
    }

    /// <summary>The size of MLImages that have one, as from scratch.</summary>
    [TestMethod]
    public void PicturesOfASizeKeepItWithWeightsToo()
    {
        var mlContext = new MLContext(1);
        IDataView images = Sized(mlContext);
        (SharpnessAwareImageClassificationTransformer model, _) = Fit(
            mlContext.Transforms.ResizeImages("Image", 48, 40).Fit(images).Transform(images),
            options => (options.ImageWidth, options.ImageHeight) = (null, null), mlContext);
        using (model)
            Assert.AreEqual(new ImageShape(3, 40, 48), model.Classifier.Shape);
    }

    /// <summary>A size that nobody asked for, and in which these weights see nothing, is not kept.</summary>
    [TestMethod]
    public void PicturesOfASizeThatTheNetworkCannotTakeAreEnlarged()
    {
        var mlContext = new MLContext(1);
        IDataView images = mlContext.Transforms.ResizeImages("Image", 28, 28).Fit(Sized(mlContext)).Transform(Sized(mlContext));
        (SharpnessAwareImageClassificationTransformer model, _) = Fit(images,
            options => (options.ImageWidth, options.ImageHeight) = (null, null), mlContext);
        using (model)
            Assert.AreEqual(new ImageShape(3, 128, 128), model.Classifier.Shape);
        Assert.HasCount(512, mlContext.Transforms.FeaturizeImages("Features", "Image").Fit(images).Transform(images)
            .GetColumn<float[]>("Features").First());
    }

    [TestMethod]
    [DataRow(false, "FreezeBatchNorm keeps batch norm as the initial weights have it, and there are none")]
    [DataRow(true, null)]
    public void FrozenBatchNormWithoutWeightsIsWarnedOf(bool hasWeights, string? words)
    {
        (SharpnessAwareImageClassificationTransformer model, List<string> log) = Fit(Encoded(), options =>
            (options.FreezeBatchNorm, options.Epoch, options.FineTuning, options.InitialWeights) =
                (true, 1, FineTuning.Full, hasWeights ? PretrainedWeights.Auto : PretrainedWeights.None));
        model.Dispose();
        if (words is not null)
            AssertLogged(log, words);
        else
            Assert.IsFalse(log.Any(message => message.Contains("FreezeBatchNorm", StringComparison.Ordinal)));
    }

    /// <summary>Where early stopping has no effect, what it needs is not asked for.</summary>
    [TestMethod]
    public void EarlyStoppingThatHasNoEffectNeedsNoValidationImages()
    {
        (SharpnessAwareImageClassificationTransformer model, List<string> log) = Fit(Encoded(), options =>
            (options.EarlyStoppingCriteria, options.ValidationSetFraction) = (new(), null));
        model.Dispose();
        AssertLogged(log, "EarlyStoppingCriteria has no effect");
    }

    [TestMethod]
    [DataRow("no weights there", "dotnet add package Microsoft.ML.DnnImageFeaturizer.ResNet18, or set InitialWeights to the file, " +
        "tools/DnnImageModels/ResNet18Onnx/ResNet18.onnx of the package")]
    [DataRow("pixel vectors", "vectors of pixels")]
    [DataRow("grey wanted", "ImageChannels is 1, and the weights that come by package are of pictures in colour")]
    [DataRow("none wanted", "starts from random weights.")]
    public void OtherwiseASmallNetworkLearnsFromScratchAndTheLogSaysWhy(string what, string words)
    {
        IDataView data = what == "pixel vectors" ? Fitted.View(new MLContext(1), Shapes.Pixels(18)) : Encoded();
        (SharpnessAwareImageClassificationTransformer model, List<string> log) = Fit(data, options =>
        {
            options.Epoch = 1;
            if (what == "no weights there")
                options.PretrainedFolder = Empty.Path;
            if (what == "grey wanted")
                options.ImageChannels = 1;
            if (what == "none wanted")
                options.InitialWeights = PretrainedWeights.None;
        });
        using (model)
        {
            Assert.AreEqual(NetworkArchitecture.ResNet20, model.Architecture);
            AssertLogged(log, words);
            Assert.AreEqual(what == "no weights there", log.Any(message => message.Contains("no others lie", StringComparison.Ordinal)));
            AssertLogged(log, "from random weights: it will take about");
            AssertLogged(log, "are few to train 'resnet20' on from random weights");
        }
    }

    [TestMethod]
    public void TheNetworkIsThatOfTheFile()
    {
        IDataView pixels = Fitted.View(new MLContext(1), Shapes.Pixels(30));
        string path = Empty.File("convnet.safetensors");
        using (SharpnessAwareImageClassificationTransformer earlier = Fitted.Model(new MLContext(1), pixels, options =>
            (options.Arch, options.Epoch) = (NetworkArchitecture.ConvNet, 1)))
            earlier.SaveWeights(path);
        (SharpnessAwareImageClassificationTransformer model, _) = Fit(pixels, options => options.InitialWeights = path);
        using (model)
            Assert.AreEqual(NetworkArchitecture.ConvNet, model.Architecture);
    }

    [TestMethod]
    public void NamesWithAWrapperAreTakenAndAForgottenArchIsNamed()
    {
        using DisposeScope scope = NewDisposeScope();
        IDataView pixels = Fitted.View(new MLContext(1), Shapes.Pixels(30));
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(NetworkArchitecture.ConvNet, 3, new(1, 16, 16));
        string path = Empty.File("wrapped.safetensors");
        using (FileStream file = File.Create(path))
            SafetensorsFile.Write(file, network.state_dict().ToDictionary(entry => $"module.{entry.Key}", entry => entry.Value));
        (SharpnessAwareImageClassificationTransformer model, _) = Fit(pixels, options => options.InitialWeights = path);
        using (model)
            Assert.AreEqual(NetworkArchitecture.ConvNet, model.Architecture);

        InvalidDataException exception = Assert.ThrowsExactly<InvalidDataException>(() => Fit(pixels, options =>
            (options.InitialWeights, options.Arch) = (path, NetworkArchitecture.ResNet8)));
        StringAssert.Contains(exception.Message, "This looks like 'convnet': set Arch to it.");
        Assert.IsLessThan(1500, exception.Message.Length);
        StringAssert.Contains(exception.Message, " more.");
    }

    [TestMethod]
    public void FreezingWithoutWeightsIsRefused()
    {
        Assert.ThrowsExactly<InvalidOperationException>(() => Fit(Encoded(), options =>
            (options.FreezeBackbone, options.PretrainedFolder) = (true, Empty.Path)));
        Assert.ThrowsExactly<ArgumentException>(() => Fit(Encoded(), options =>
            (options.FreezeBackbone, options.FineTuning) = (true, FineTuning.HeadOnly)));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Fit(Encoded(), options => options.FineTuning = (FineTuning)9));
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Fit(Encoded(), options => options.TimeBudget = TimeSpan.Zero)).Message,
            "To train the head alone, set it to null, or FineTuning to HeadOnly.");
    }

    [TestMethod]
    public void SettingsThatTheHeadDoesNotUseAreNamedInAWarning()
    {
        string checkpoint = Empty.File("head.ckpt");
        File.WriteAllText(checkpoint, "of another training");
        (SharpnessAwareImageClassificationTransformer model, List<string> log) = Fit(Encoded(), options =>
        {
            options.CheckpointPath = checkpoint;
            options.EarlyStoppingCriteria = new EarlyStopping();
            options.ValidationSetFraction = 0.3;
            (options.Epoch, options.LearningRate, options.MaxGradientNorm) = (9, 1, 1);
            (options.Method, options.BaseOptimizer) = (SharpnessAwareMethod.Sam(), new BaseOptimizer.AdamW(1e-3));
            (options.Loss, options.Schedule) = (new ClassificationLoss.CrossEntropy(0.1), new LearningRateSchedule.Cosine(0));
            (options.Augmentation, options.WeightAveraging) = (Augmentation.Light, new WeightAveraging.Exponential());
            (options.OnDivergence, options.FreezeBatchNorm) = (OnDivergence.RestoreAndHalve, true);
        });
        model.Dispose();
        AssertLogged(log, $"CheckpointPath has no effect, and '{checkpoint}' is neither read nor written");
        AssertLogged(log, "EarlyStoppingCriteria has no effect: the head has no epochs, and a training of the whole network after it " +
            "is not stopped early.");
        AssertLogged(log, "ValidationSetFraction 0.3 has no effect");
        AssertLogged(log, "Method, BaseOptimizer, LearningRate, Schedule, Epoch, Loss, Augmentation, MaxGradientNorm, WeightAveraging, " +
            "OnDivergence, FreezeBatchNorm: of no effect on the head");
        Assert.AreEqual("of another training", File.ReadAllText(checkpoint));

        (model, log) = Fit(Encoded(), _ => { });
        model.Dispose();
        Assert.IsFalse(log.Any(message => message.Contains("no effect", StringComparison.Ordinal)), string.Join(Environment.NewLine, log));
    }

    [TestMethod]
    public void TheSameSeedGivesTheSameModel()
    {
        (SharpnessAwareImageClassificationTransformer first, _) = Fit(Encoded(), _ => { });
        (SharpnessAwareImageClassificationTransformer second, _) = Fit(Encoded(), _ => { });
        using (first)
        using (second)
        {
            Assert.AreEqual(first.Temperature, second.Temperature);
            CollectionAssert.AreEqual(Head(first), Head(second));
        }

        static float[] Head(SharpnessAwareImageClassificationTransformer model) =>
            model.Classifier.Network.state_dict()["fc.weight"].detach().data<float>().ToArray();
    }

    private static IDataView Encoded() => Fitted.View(new MLContext(1), Shapes.Encoded(18, seed: 2));

    private static IDataView Sized(MLContext mlContext) => mlContext.Data.LoadFromEnumerable(
        mlContext.Data.CreateEnumerable<EncodedKey>(Fitted.View(mlContext, Shapes.Encoded(18, seed: 2)), reuseRowObject: false)
            .Select(row => new SizedRow { Label = row.Label - 1, Image = MLImage.CreateFromStream(new MemoryStream(row.Image)) })
            .ToArray());

    private static byte[] GreyPng(byte[] pixels)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(Shapes.Size, Shapes.Size, SKColorType.Gray8, SKAlphaType.Opaque));
        System.Runtime.InteropServices.Marshal.Copy(pixels, 0, bitmap.GetPixels(), pixels.Length);
        using SKData data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return data.ToArray();
    }

    private static (SharpnessAwareImageClassificationTransformer Model, List<string> Log) Fit(
        IDataView data, Action<SharpnessAwareImageClassificationTrainer.Options> change, MLContext? mlContext = null)
    {
        mlContext ??= new MLContext(1);
        var log = new List<string>();
        mlContext.Log += (_, e) => log.Add(e.Message);
        int? side = data.Schema["Image"].Type is VectorDataViewType { IsKnownSize: true } ? null : 32;
        var options = new SharpnessAwareImageClassificationTrainer.Options
        {
            FeatureColumnName = "Image",
            ImageWidth = side,
            ImageHeight = side,
            TimeBudget = null,
            Device = "cpu",
        };
        change(options);
        return (mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options).Fit(data), log);
    }

    private static void AssertLogged(List<string> log, string words) =>
        Assert.IsTrue(log.Any(message => message.Contains(words, StringComparison.Ordinal)), string.Join(Environment.NewLine, log));

    private sealed class EncodedKey
    {
        [KeyType(3)]
        public uint Label { get; set; }

        public byte[] Image { get; set; } = [];
    }

    private sealed class SizedRow
    {
        [KeyType(3)]
        public uint Label { get; set; }

        [Transforms.Image.ImageType(Shapes.Size, Shapes.Size)]
        public MLImage? Image { get; set; }
    }
}
