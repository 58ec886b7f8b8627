using Microsoft.ML.OnnxRuntime;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>The network of ML.NET's package against ONNX Runtime on the package's file.</summary>
[TestClass]
public sealed class MLNetResNet18Tests
{
    private const int Classes = 4;

    private static readonly SessionOptions Threads = new() { IntraOpNumThreads = 1 };
    private static readonly Lazy<InferenceSession> ForAnySize = new(() => new(OnnxFile.ForAnySize(OnnxFile.ResNet18).ToBytes(), Threads));
    private static nn.Module<Tensor, Tensor> _network = null!;
    private static float[] _mean = [];

    [ClassInitialize]
    public static void Read(TestContext _)
    {
        using DisposeScope scope = NewDisposeScope();
        _network = NetworkArchitecture.Create(NetworkArchitecture.MLNetResNet18, Classes, new(3, 224, 224));
        Dictionary<string, Tensor> weights = OnnxResNet.Read(OnnxGraph.Read(File.ReadAllBytes(OnnxFile.ResNet18)));
        WeightTransfer.Load(_network, ClassificationHead.Find(_network, Classes), new(3, 224, 224), weights);
        _network.eval();
        scope.Detach(_network.parameters().Concat(_network.buffers()));

        // Blue, green, red: what the package's other file subtracts, averaged over the picture.
        OnnxGraph preprocessing = OnnxGraph.Read(File.ReadAllBytes(OnnxFile.Preprocessing));
        _mean = preprocessing.Constants["MeanImage"].ToTensor(1, 3, 224, 224).mean([0, 2, 3]).data<float>().ToArray();
    }

    [ClassCleanup]
    public static void Clean()
    {
        NativeModule.DisposeAll(_network);
        if (ForAnySize.IsValueCreated)
            ForAnySize.Value.Dispose();
    }

    [TestMethod]
    public void FeaturesAreThoseOfOnnxRuntimeOnThePackagesFile()
    {
        using var session = new InferenceSession(OnnxFile.ResNet18, Threads);
        AssertSameFeatures(session, 224, 224);
    }

    // Sizes whose halves the file's own sums allow: a shortcut rounds up where the other way rounds down.
    [TestMethod]
    [DataRow(32, 32)]
    [DataRow(128, 128)]
    [DataRow(65, 99)]
    [DataRow(34, 67)]
    [DataRow(225, 96)]
    public void FeaturesAreThoseOfOnnxRuntimeAtOtherSizes(int height, int width) => AssertSameFeatures(ForAnySize.Value, height, width);

    [TestMethod]
    [DataRow(112, 100)]
    [DataRow(33, 63)]
    [DataRow(150, 200)]
    public void EverySizeFrom32OnHasFeatures(int height, int width)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGradient = no_grad();
        Tensor features = Features(Image(height, width));
        CollectionAssert.AreEqual(new long[] { 1, 512 }, features.shape);
        Assert.IsTrue(features.isfinite().all().item<bool>());
    }

    [TestMethod]
    public void BatchesAreScoredAsSingleImages()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor images = cat([Image(64, 96), Image(64, 96).flip(3)]);
        Tensor together = Features(images), first = Features(images.narrow(0, 0, 1)), second = Features(images.narrow(0, 1, 1));
        Assert.IsTrue(together.allclose(cat([first, second]), rtol: 1e-4, atol: 1e-4));
        Assert.IsFalse(first.allclose(second, rtol: 1e-2, atol: 1e-2));
    }

    [TestMethod]
    [DataRow(31, 224)]
    [DataRow(224, 8)]
    public void ImagesThatHalvingWouldLeaveNothingOfAreRefused(int height, int width)
    {
        ArgumentException exception = Assert.ThrowsExactly<ArgumentException>(
            () => NetworkArchitecture.Create(NetworkArchitecture.MLNetResNet18, Classes, new(3, height, width)));
        StringAssert.Contains(exception.Message, $"at least 32×32 pixels; these have {width}×{height}");
        StringAssert.Contains(exception.Message, "ImageWidth");
    }

    private static void AssertSameFeatures(InferenceSession session, int height, int width)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor image = Image(height, width);
        float[] ours = Features(image).data<float>().ToArray();

        Tensor blueFirst = image.to(float32).flip(1).sub(tensor(_mean, [1, 3, 1, 1]));
        using OrtValue input = OrtValue.CreateTensorValueFromMemory(blueFirst.contiguous().data<float>().ToArray(), [1, 3, height, width]);
        using var run = new RunOptions();
        using var results = session.Run(run, [session.InputNames[0]], [input], session.OutputNames);
        float[] theirs = results[0].GetTensorDataAsSpan<float>().ToArray();

        Assert.HasCount(512, theirs);
        Assert.IsGreaterThan(1f, theirs.Max(), "the picture shows the network nothing");
        float difference = ours.Zip(theirs, (a, b) => Math.Abs(a - b)).Max();
        Assert.IsLessThan(1e-4f, difference);
    }

    /// <summary>What a classifier makes of raw pixels.</summary>
    private static Tensor Features(Tensor pixels)
    {
        using var normalization = new Normalization(new(OnnxResNet.Mean, [1, 1, 1]), CPU);
        return ClassificationHead.Of(_network, Classes, NetworkArchitecture.MLNetResNet18)
            .Features(_network.call, normalization.Apply(pixels));
    }

    /// <summary>A picture in which channels, sides and edges differ.</summary>
    private static Tensor Image(int height, int width)
    {
        var random = new Random((height * 1000) + width);
        byte[] pixels = new byte[3 * height * width];
        for (int channel = 0; channel < 3; channel++)
        {
            for (int y = 0; y < height; y++)
            {
                for (int x = 0; x < width; x++)
                {
                    double wave = Math.Sin((0.13 + (0.05 * channel)) * x) + Math.Cos((0.07 + (0.06 * channel)) * y) +
                        (x + y > height ? 1 : 0);
                    pixels[(((channel * height) + y) * width) + x] =
                        (byte)Math.Clamp(110 + (40 * channel) + (30 * wave) + random.Next(-20, 20), 0, 255);
                }
            }
        }

        return tensor(pixels, [1, 3, height, width]);
    }
}
