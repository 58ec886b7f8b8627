using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>What is wrong with weights or pictures where a training starts from weights: an error that says it, or a result that is
/// documented (docs/reliability.md).</summary>
[TestClass]
public sealed class FineTuningBadInputTests
{
    private static readonly TemporaryFolder Folder = new();
    private static readonly MLContext MLContext = new(1);
    private static string _resnet8 = "";

    public TestContext TestContext { get; set; } = null!;

    [ClassInitialize]
    public static void WriteWeights(TestContext _)
    {
        using DisposeScope scope = NewDisposeScope();
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(NetworkArchitecture.ResNet8, 3, new(3, 32, 32));
        _resnet8 = Folder.File("resnet8.safetensors");
        using FileStream file = File.Create(_resnet8);
        SafetensorsFile.Write(file, network.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value));
    }

    [ClassCleanup]
    public static void Clean() => Folder.Dispose();

    [TestMethod]
    [DataRow("safetensors cut short", "cut short or damaged")]
    [DataRow("safetensors too long", "too long")]
    [DataRow("safetensors with NaN", "NaN")]
    [DataRow("onnx cut short", "cut short or damaged")]
    [DataRow("onnx with NaN", "NaN")]
    [DataRow("onnx of another width", "is of another network than 'mlnet_resnet18'")]
    [DataRow("onnx of something else", "is of another network than 'mlnet_resnet18'")]
    [DataRow("onnx of nothing", "cannot be used")]
    public void AFileOfWeightsThatIsWrongIsNamedAndSoIsWhatIsWrong(string what, string words)
    {
        string path = Folder.File(what + (what.StartsWith("onnx", StringComparison.Ordinal) ? ".onnx" : ".safetensors"));
        File.WriteAllBytes(path, Content(what));
        InvalidDataException exception =
            Assert.ThrowsExactly<InvalidDataException>(() => Fit(Encoded(30), options => options.InitialWeights = path));
        File.Delete(path);
        TestContext.WriteLine(exception.Message);
        StringAssert.Contains(exception.Message, path);
        StringAssert.Contains(exception.Message, words);
    }

    [TestMethod]
    [DataRow("onnx of another width")]
    [DataRow("onnx of something else")]
    [DataRow("onnx cut short")]
    public void APackageOfAnotherStructureBesideTheApplicationSaysHowToDoWithout(string what)
    {
        string path = Path.Combine(Folder.File(what), "DnnImageModels", "ResNet18Onnx", "ResNet18.onnx");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, Content(what));
        InvalidDataException exception =
            Assert.ThrowsExactly<InvalidDataException>(() => Fit(Encoded(30), options => options.PretrainedFolder = Folder.File(what)));
        Directory.Delete(Folder.File(what), recursive: true);
        TestContext.WriteLine(exception.Message);
        StringAssert.Contains(exception.Message, path);
        StringAssert.Contains(exception.Message, "Take version 0.23.1 of package Microsoft.ML.DnnImageFeaturizer.ResNet18, or set " +
            "InitialWeights to PretrainedWeights.None");
    }

    [TestMethod]
    [DataRow(null)]
    [DataRow(1)]
    public void GreyFilesWorkInColourAndAsGrey(int? channels)
    {
        (SharpnessAwareImageClassificationTransformer model, _) = Fit(Encoded(30), options =>
            (options.InitialWeights, options.ImageChannels) = (OnnxFile.ResNet18, channels));
        using (model)
        {
            Assert.AreEqual(channels ?? 3, model.Classifier.Shape.Channels);
            Assert.IsTrue(Fitted.Scores(MLContext, model.Transform(Encoded(9))).All(scores => scores.All(float.IsFinite)));
        }
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(31)]
    public void ASizeSmallerThanTheStrideIsRefusedBeforeAPictureIsReadAndSmallPicturesAreEnlarged(int side)
    {
        ArgumentException exception = Assert.ThrowsExactly<ArgumentException>(() => Fit(
            Fitted.View(MLContext, Shapes.Encoded(30)), options => (options.ImageWidth, options.ImageHeight) = (side, 40)));
        StringAssert.Contains(exception.Message, "needs at least 32×32 pixels");
        StringAssert.Contains(exception.Message, "Set ImageWidth and ImageHeight");

        (SharpnessAwareImageClassificationTransformer model, _) =
            Fit(Encoded(12), options => (options.ImageWidth, options.ImageHeight) = (null, null));
        using (model)
            Assert.AreEqual(new ImageShape(3, 128, 128), model.Classifier.Shape);
    }

    [TestMethod]
    [DataRow(3, FineTuning.HeadOnly)]
    [DataRow(3, FineTuning.Auto)]
    [DataRow(3, FineTuning.Gentle)]
    [DataRow(3, FineTuning.Full)]
    [DataRow(4, FineTuning.Auto)]
    public void OnePictureOfAClassGivesAModel(int count, FineTuning kind)
    {
        (SharpnessAwareImageClassificationTransformer model, List<string> log) = Fit(Encoded(count), options =>
            (options.FineTuning, options.Epoch) = (kind, 1));
        TestContext.WriteLine(string.Join('\n', log) + $"\n{model.Temperature}");
        using (model)
            Assert.IsTrue(Fitted.Scores(MLContext, model.Transform(Encoded(9))).All(scores => scores.All(float.IsFinite)));
    }

    [TestMethod]
    public void OneClassIsRefusedAndNothingIsLostByAValidationSetOfOne()
    {
        IDataView one = Fitted.View(MLContext, Shapes.Encoded(30).Where(row => row.Label == "down"));
        StringAssert.Contains(
            Assert.ThrowsExactly<InvalidOperationException>(() => Fit(one, _ => { })).Message, "of one class only");
        IDataView data = Encoded(30);
        (SharpnessAwareImageClassificationTransformer model, List<string> log) =
            Fit(data, options => options.ValidationSet = MLContext.Data.TakeRows(data, 1));
        TestContext.WriteLine(string.Join('\n', log));
        using (model)
            Assert.IsTrue(double.IsFinite(model.Temperature));
        Assert.IsTrue(log.Any(message => message.Contains("The temperature is fitted on 1 validation image(s).")));
    }

    [TestMethod]
    [DataRow("pictures that are all the same")]
    [DataRow("each picture ten times")]
    [DataRow("a hundred of a class and three of another")]
    [DataRow("sixty classes of two pictures")]
    [DataRow("names of every kind")]
    public void OddSetsOfPicturesGiveModelsWhoseProbabilitiesAreSome(string what)
    {
        IReadOnlyList<EncodedRow> rows = Odd(what);
        (SharpnessAwareImageClassificationTransformer model, _) = Fit(Fitted.View(MLContext, rows), _ => { });
        using (model)
        {
            float[][] scores = Fitted.Scores(MLContext, model.Transform(Encoded(9)));
            CollectionAssert.AreEquivalent(rows.Select(row => row.Label).Distinct().ToArray(), model.ClassNames.ToArray());
            Assert.IsTrue(scores.All(row => row.All(float.IsFinite) && Math.Abs(row.Sum() - 1) < 1e-3));
            if (what == "pictures that are all the same")
            {
                float[] score = Fitted.Scores(MLContext, model.Transform(Fitted.View(MLContext, rows)))[0];
                Assert.IsTrue(score.All(probability => Math.Abs(probability - (1f / 3)) < 0.02), string.Join(' ', score));
            }
        }
    }

    [TestMethod]
    public void ALabelOfEmptyTextIsMissingAndTheErrorSaysThatEmptyTextIs()
    {
        List<EncodedRow> rows = Shapes.Encoded(12);
        rows[5].Label = "";
        StringAssert.Contains(
            Assert.ThrowsExactly<InvalidOperationException>(() => Fit(Fitted.View(MLContext, rows), _ => { })).Message,
            "row 5 (counting from 0): the label is missing (key 0; classes are 1 to 3). Give the row a label or leave it out. " +
            "MapValueToKey gives this key to empty text, and ");
    }

    [TestMethod]
    public void TimeWithoutEndIsTimeToo()
    {
        (SharpnessAwareImageClassificationTransformer model, List<string> log) =
            Fit(Encoded(30), options => options.TimeBudget = TimeSpan.MaxValue);
        using (model)
            Assert.IsTrue(log.Any(message => message.Contains("as long as it takes", StringComparison.Ordinal)));
        (model, log) = Fit(Encoded(30), options => options.TimeBudget = TimeSpan.FromMilliseconds(1));
        using (model)
            Assert.IsTrue(log.Any(message => message.Contains("at most about 0.001 s", StringComparison.Ordinal)));
    }

    private static List<EncodedRow> Odd(string what)
    {
        List<EncodedRow> rows = Shapes.Encoded(120, seed: 7);
        switch (what)
        {
            case "pictures that are all the same":
                rows = rows[..30];
                rows.ForEach(row => row.Image = rows[0].Image);
                return rows;
            case "each picture ten times":
                return [.. Enumerable.Range(0, 10).SelectMany(_ => rows[..9])];
            case "a hundred of a class and three of another":
                for (int i = 0; i < 103; i++)
                    rows[i].Label = i < 100 ? "often" : "rare";
                return rows[..103];
            case "sixty classes of two pictures":
                for (int i = 0; i < rows.Count; i++)
                    rows[i].Label = $"class {i % 60}";
                return rows;
            default:
                string[] names = ["two words", "Übergröße 漢字 🙂", "  \t", "a\"b,c\\"];
                for (int i = 0; i < 40; i++)
                    rows[i].Label = names[i % 4];
                return rows[..40];
        }
    }

    private static byte[] Content(string what)
    {
        byte[] safetensors = File.ReadAllBytes(_resnet8);
        switch (what)
        {
            case "safetensors cut short":
                return safetensors[..(safetensors.Length / 2)];
            case "safetensors too long":
                return [.. safetensors, 0, 0, 0, 0];
            case "safetensors with NaN":
                BitConverter.TryWriteBytes(safetensors.AsSpan(safetensors.Length - 4000), float.NaN);
                return safetensors;
            case "onnx cut short":
                return File.ReadAllBytes(OnnxFile.ResNet18)[..20_000_000];
            case "onnx with NaN":
                byte[] onnx = File.ReadAllBytes(OnnxFile.ResNet18);
                BitConverter.TryWriteBytes(onnx.AsSpan(30_000_000), float.NaN);
                BitConverter.TryWriteBytes(onnx.AsSpan(30_000_001), float.NaN);
                return onnx;
            case "onnx of another width":
                return OnnxFile.SmallResNet(8).ToBytes();
            case "onnx of something else":
                return File.ReadAllBytes(OnnxFile.Preprocessing);
            case "onnx of nothing":
                return [];
            default:
                throw new ArgumentOutOfRangeException(nameof(what), what, "");
        }
    }

    private static IDataView Encoded(int count) => Fitted.View(MLContext, Shapes.Encoded(count, seed: 2));

    private static (SharpnessAwareImageClassificationTransformer Model, List<string> Log) Fit(
        IDataView data, Action<SharpnessAwareImageClassificationTrainer.Options> change)
    {
        var log = new List<string>();
        void Listen(object? sender, LoggingEventArgs e) => log.Add(e.Message);
        var options = new SharpnessAwareImageClassificationTrainer.Options
        {
            FeatureColumnName = "Image",
            ImageWidth = 32,
            ImageHeight = 32,
            Device = "cpu",
        };
        change(options);
        MLContext.Log += Listen;
        try
        {
            return (MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options).Fit(data), log);
        }
        finally
        {
            MLContext.Log -= Listen;
        }
    }
}
