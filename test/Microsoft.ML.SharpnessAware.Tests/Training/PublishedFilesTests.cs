using Microsoft.ML.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Files as torchvision and timm publish them, and as people keep them, from the file's path to features and models.</summary>
[TestClass]
public sealed class PublishedFilesTests
{
    // Of less than 112 pixels a vision transformer cuts smaller patches than the published ones do.
    private const int Side = 112, PublishedSide = 224, PublishedClasses = 1000;

    private static readonly MLContext MLContext = new(1);

    private static readonly IDataView Images = Fitted.View(MLContext, Shapes.Encoded(6, seed: 5));

    private static readonly string[] Networks = [NetworkArchitecture.ResNet18, NetworkArchitecture.VitTiny];

    private static readonly Dictionary<string, (string File, float[][] Features)> Plain = [];

    private static readonly TemporaryFolder Folder = new();

    [ClassInitialize]
    public static void Publish(TestContext _)
    {
        foreach (string architecture in Networks)
        {
            using DisposeScope scope = NewDisposeScope();
            using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(architecture, PublishedClasses,
                new(3, PublishedSide, PublishedSide));
            string path = Write(architecture, network.state_dict());
            Plain[architecture] = (path, Features(path));
        }
    }

    [ClassCleanup]
    public static void Clean() => Folder.Dispose();

    [TestMethod]
    [DataRow("float16", 2e-2)]
    [DataRow("bfloat16", 2e-1)]
    [DataRow("float64", 0)]
    [DataRow("no counters", 0)]
    [DataRow("counters of a network without batch norm", 0)]
    [DataRow("module.", 0)]
    [DataRow("model.", 0)]
    [DataRow("module._orig_mod.", 0)]
    [DataRow("no head", 0)]
    [DataRow("21,843 classes", 0)]
    public void AFileGivesItsNetworksFeaturesInWhateverFormItIsKept(string form, double tolerance)
    {
        foreach (string architecture in Networks)
        {
            using DisposeScope scope = NewDisposeScope();
            float[][] expected = Plain[architecture].Features, features = Features(Write("changed", Changed(architecture, form)));
            double scale = expected.Max(row => row.Max(MathF.Abs));
            foreach ((float[] one, float[] other) in expected.Zip(features))
                Assert.IsLessThanOrEqualTo(tolerance * scale, one.Zip(other, (a, b) => Math.Abs(a - b)).Max(), $"{architecture}, {form}");
        }
    }

    /// <summary>A picture's way to a model: the head of 1,000 classes gives way to one of the labels'.</summary>
    [TestMethod]
    public void AHalfPrecisionFileOfAThousandClassesBehindAWrapperIsTrainedFrom()
    {
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> tensors = Changed(NetworkArchitecture.ResNet18, "float16")
            .ToDictionary(entry => $"module.{entry.Key}", entry => entry.Value);
        using SharpnessAwareImageClassificationTransformer model = Fitted.Model(MLContext, Images, options =>
            (options.Arch, options.InitialWeights, options.FineTuning, options.ImageWidth) =
                (NetworkArchitecture.Auto, Write("half", tensors), FineTuning.HeadOnly, Side));
        Assert.AreEqual(NetworkArchitecture.ResNet18, model.Architecture);
        Assert.HasCount(3, Fitted.Scores(MLContext, model.Transform(Images))[0]);
    }

    [TestMethod]
    [DataRow("some behind a wrapper", "not those of a network that is known by its names")]
    [DataRow("the epoch beside them", "Not in the network: epoch.")]
    [DataRow("an average of the weights beside them", "Not in the network: ema.conv1.weight.")]
    [DataRow("whole numbers", "conv1.weight (the network has Float32 [64, 3, 7, 7], the file Int64 [64, 3, 7, 7])")]
    [DataRow("infinite", "With NaN or infinite values: layer1.0.conv1.weight.")]
    [DataRow("a layer less", "Missing: layer4.1.conv2.weight [512, 512, 3, 3].")]
    public void AFileThatCannotBeUsedSaysWhy(string form, string words)
    {
        using DisposeScope scope = NewDisposeScope();
        string path = Write("changed", Changed(NetworkArchitecture.ResNet18, form));
        Exception exception = Assert.Throws<Exception>(() => Features(path));
        Assert.IsInstanceOfType<InvalidDataException>(exception);
        StringAssert.Contains(exception.Message, path);
        StringAssert.Contains(exception.Message, words);
    }

    private static Dictionary<string, Tensor> Changed(string architecture, string form)
    {
        using FileStream stream = File.OpenRead(Plain[architecture].File);
        Dictionary<string, Tensor> tensors = SafetensorsFile.Read(stream, length: null, out _);
        string head = architecture == NetworkArchitecture.VitTiny ? "head" : "fc";
        long features = tensors[$"{head}.weight"].shape[1];
        switch (form)
        {
            case "float16":
                return Converted(ScalarType.Float16);
            case "bfloat16":
                return Converted(ScalarType.BFloat16);
            case "float64":
                return Converted(ScalarType.Float64);
            case "no counters":
                return tensors.Where(entry => !entry.Key.EndsWith("num_batches_tracked", StringComparison.Ordinal)).ToDictionary();
            case "counters of a network without batch norm":
                tensors["norm.num_batches_tracked"] = tensor(7L);
                break;
            case "no head":
                Assert.IsTrue(tensors.Remove($"{head}.weight") && tensors.Remove($"{head}.bias"));
                break;
            case "21,843 classes":
                (tensors[$"{head}.weight"], tensors[$"{head}.bias"]) = (zeros(21843, features), zeros(21843));
                break;
            case "some behind a wrapper":
                tensors["module.conv1.weight"] = tensors["conv1.weight"];
                tensors.Remove("conv1.weight");
                break;
            case "the epoch beside them":
                tensors["epoch"] = tensor(3L);
                break;
            case "an average of the weights beside them":
                tensors["ema.conv1.weight"] = tensors["conv1.weight"].clone();
                break;
            case "whole numbers":
                tensors["conv1.weight"] = tensors["conv1.weight"].to(int64);
                break;
            case "infinite":
                tensors["layer1.0.conv1.weight"][0, 0, 0, 0] = float.PositiveInfinity;
                break;
            case "a layer less":
                tensors.Remove("layer4.1.conv2.weight");
                break;
            default:
                return tensors.ToDictionary(entry => $"{form}{entry.Key}", entry => entry.Value);
        }

        return tensors;

        Dictionary<string, Tensor> Converted(ScalarType type) => tensors.ToDictionary(entry => entry.Key,
            entry => entry.Value.is_floating_point() ? entry.Value.to(type) : entry.Value);
    }

    private static string Write(string name, Dictionary<string, Tensor> tensors)
    {
        string path = Folder.File($"{name}.safetensors");
        using FileStream file = File.Create(path);
        SafetensorsFile.Write(file, tensors);
        return path;
    }

    private static float[][] Features(string path)
    {
        ITransformer model = MLContext.Transforms.FeaturizeImages("Features", weights: path, imageWidth: Side).Fit(Images);
        using var disposed = (IDisposable)model;
        return [.. model.Transform(Images).GetColumn<float[]>("Features")];
    }
}
