using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class WeightTransferTests
{
    private static readonly ImageShape Colour = new(3, 16, 16);

    [TestMethod]
    public void WeightsOfTheSameNetworkAreCopiedWithoutANote()
    {
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> file = Weights(NetworkArchitecture.ResNet8, 4, Colour);
        (Dictionary<string, Tensor> loaded, IReadOnlyList<string> notes) = Load(NetworkArchitecture.ResNet8, 4, Colour, file);
        Assert.IsEmpty(notes);
        foreach ((string name, Tensor tensor) in file)
            Assert.IsTrue(TestNets.Same(tensor, loaded[name]), name);
    }

    [TestMethod]
    [DataRow(NetworkArchitecture.ResNet8, "fc")]
    [DataRow(NetworkArchitecture.VitTiny, "head")]
    public void AHeadOfAnotherNumberOfClassesStaysFreshAndEverythingElseIsCopied(string network, string head)
    {
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> file = Weights(network, 10, Colour);
        (Dictionary<string, Tensor> loaded, IReadOnlyList<string> notes, Dictionary<string, Tensor> before) =
            LoadAndTell(network, 4, Colour, file);
        StringAssert.Contains(notes.Single(), $"'{head}' has 10 classes and the data 4");
        foreach ((string name, Tensor tensor) in loaded)
            Assert.IsTrue(TestNets.Same(tensor, name.StartsWith($"{head}.", StringComparison.Ordinal) ? before[name] : file[name]), name);

        Assert.IsTrue(file.Remove($"{head}.weight") && file.Remove($"{head}.bias"));
        StringAssert.Contains(Load(network, 4, Colour, file).Notes.Single(), $"no head; '{head}' starts from random weights");
    }

    [TestMethod]
    public void TheCountOfBatchesMayBeAbsentOrTooMany()
    {
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> file = Weights(NetworkArchitecture.ResNet8, 4, Colour);
        foreach (string counter in file.Keys.Where(name => name.EndsWith("tracked", StringComparison.Ordinal)).ToArray())
            file.Remove(counter);
        Assert.IsEmpty(Load(NetworkArchitecture.ResNet8, 4, Colour, file).Notes);

        Dictionary<string, Tensor> vit = Weights(NetworkArchitecture.VitTiny, 4, Colour);
        vit["norm.num_batches_tracked"] = tensor(7L);
        Assert.IsEmpty(Load(NetworkArchitecture.VitTiny, 4, Colour, vit).Notes);
    }

    [TestMethod]
    [DataRow("half", 0)]
    [DataRow("float", 0)]
    [DataRow("infinite", 0)]
    [DataRow("two", 0)]
    [DataRow("one in a vector", 7)]
    [DataRow("int32", 7)]
    public void TheCountOfBatchesMayBeOfAnotherTypeOrShape(string kind, int expected)
    {
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> file = Weights(NetworkArchitecture.ResNet8, 4, Colour);
        foreach (string counter in file.Keys.Where(name => name.EndsWith("tracked", StringComparison.Ordinal)).ToArray())
        {
            file[counter] = kind switch
            {
                "half" => tensor(7L).to(float16),
                "float" => tensor(7f),
                "infinite" => tensor(100_000L).to(float16),
                "two" => tensor(new[] { 7L, 7 }),
                "one in a vector" => tensor(new[] { 7L }),
                _ => tensor(7),
            };
        }
        (Dictionary<string, Tensor> loaded, IReadOnlyList<string> notes) = Load(NetworkArchitecture.ResNet8, 4, Colour, file);
        Assert.IsEmpty(notes);
        foreach (Tensor counter in loaded.Where(entry => entry.Key.EndsWith("tracked", StringComparison.Ordinal)).Select(one => one.Value))
        {
            Assert.AreEqual(0, counter.dim());
            Assert.AreEqual(expected, counter.item<long>());
        }
    }

    [TestMethod]
    [DataRow(ScalarType.Float16, 1e-3)]
    [DataRow(ScalarType.BFloat16, 1e-2)]
    [DataRow(ScalarType.Float64, 0)]
    public void OtherFloatingPointTypesAreConverted(ScalarType type, double tolerance)
    {
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> original = Weights(NetworkArchitecture.ResNet8, 4, Colour);
        var file = original.ToDictionary(entry => entry.Key, entry => entry.Value.is_floating_point() ? entry.Value.to(type) : entry.Value);
        Dictionary<string, Tensor> loaded = Load(NetworkArchitecture.ResNet8, 4, Colour, file).Weights;
        foreach ((string name, Tensor tensor) in loaded.Where(entry => entry.Value.is_floating_point()))
        {
            Assert.AreEqual(ScalarType.Float32, tensor.dtype, name);
            Assert.IsTrue(tensor.allclose(original[name], rtol: tolerance, atol: tolerance), name);
        }
    }

    [TestMethod]
    public void EverythingThatDoesNotFitIsListedAndTheNetworkUnchanged()
    {
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> file = Weights(NetworkArchitecture.ResNet8, 4, Colour);
        Assert.IsTrue(file.Remove("bn1.weight") && file.Remove("layer3.0.conv2.weight"));
        file["layer4.0.conv1.weight"] = zeros(2);
        file["other.bias"] = zeros(2);
        file["layer1.0.conv1.weight"] = zeros(16, 16, 5, 5);
        file["layer1.0.bn1.bias"] = zeros(16, ScalarType.Int64);
        file["layer2.0.bn1.running_var"] = full(32, float.NaN);
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(NetworkArchitecture.ResNet8, 4, Colour);
        double[] before = TestNets.Values(network);

        InvalidDataException exception = Assert.ThrowsExactly<InvalidDataException>(
            () => WeightTransfer.Load(network, ClassificationHead.Find(network, 4), Colour, file));

        StringAssert.Contains(exception.Message, "Missing: bn1.weight [16], layer3.0.conv2.weight [64, 64, 3, 3].");
        StringAssert.Contains(exception.Message, "Not in the network: layer4.0.conv1.weight, other.bias.");
        StringAssert.Contains(exception.Message,
            "Of another shape or type: layer1.0.conv1.weight (the network has Float32 [16, 16, 3, 3], the file Float32 [16, 16, 5, 5]), " +
            "layer1.0.bn1.bias (the network has Float32 [16], the file Int64 [16]).");
        StringAssert.Contains(exception.Message, "With NaN or infinite values: layer2.0.bn1.running_var.");
        CollectionAssert.AreEqual(before, TestNets.Values(network));
    }

    [TestMethod]
    public void ADeeperNetworksFileIsNotMistakenForAShallowOnes()
    {
        using DisposeScope scope = NewDisposeScope();
        InvalidDataException exception = Assert.ThrowsExactly<InvalidDataException>(
            () => Load(NetworkArchitecture.ResNet8, 4, Colour, Weights(NetworkArchitecture.ResNet20, 4, Colour)));
        StringAssert.Contains(exception.Message, "Not in the network: layer1.1.bn1.bias, ");
    }

    [TestMethod]
    public void AHeadOfOtherFeaturesIsNotAHeadToReplace()
    {
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> file = Weights(NetworkArchitecture.ResNet8, 4, Colour);
        file["fc.weight"] = zeros(10, 65);
        file["fc.bias"] = zeros(10);
        InvalidDataException exception = Assert.ThrowsExactly<InvalidDataException>(() =>
            Load(NetworkArchitecture.ResNet8, 4, Colour, file));
        StringAssert.Contains(exception.Message, "fc.weight (the network has Float32 [4, 64], the file Float32 [10, 65])");

        file["fc.weight"] = zeros(10, 64);
        file["fc.bias"] = zeros(9);
        Assert.ThrowsExactly<InvalidDataException>(() => Load(NetworkArchitecture.ResNet8, 4, Colour, file));
        file.Remove("fc.bias");
        Assert.ThrowsExactly<InvalidDataException>(() => Load(NetworkArchitecture.ResNet8, 4, Colour, file));
    }

    [TestMethod]
    [DataRow(NetworkArchitecture.ResNet8, "conv1.weight")]
    [DataRow(NetworkArchitecture.VitTiny, "patch_embed.proj.weight")]
    public void GreyImagesGiveTheLogitsThatTheyGiveInColour(string name, string first)
    {
        using DisposeScope scope = NewDisposeScope();
        using nn.Module<Tensor, Tensor> colour = NetworkArchitecture.Create(name, 4, Colour);
        using nn.Module<Tensor, Tensor> grey = NetworkArchitecture.Create(name, 4, Colour with { Channels = 1 });
        IReadOnlyList<string> notes = WeightTransfer.Load(grey, ClassificationHead.Find(grey, 4), Colour with { Channels = 1 },
            colour.state_dict());
        StringAssert.Contains(notes.Single(), $"'{first}' was summed over its 3 input channels");
        colour.eval();
        grey.eval();
        Tensor images = randn(2, 1, 16, 16);
        Assert.IsTrue(grey.call(images).allclose(colour.call(images.expand(-1, 3, -1, -1)), rtol: 1e-4, atol: 1e-5));
    }

    [TestMethod]
    public void ColourImagesCannotUseGreyWeights()
    {
        using DisposeScope scope = NewDisposeScope();
        InvalidDataException exception = Assert.ThrowsExactly<InvalidDataException>(
            () => Load(NetworkArchitecture.ResNet8, 4, Colour, Weights(NetworkArchitecture.ResNet8, 4, Colour with { Channels = 1 })));
        StringAssert.Contains(exception.Message, "conv1.weight (the network has Float32 [16, 3, 3, 3], the file Float32 [16, 1, 3, 3])");
    }

    [TestMethod]
    public void PositionsAreResizedAsAnImageAndTheClassTokensIsKept()
    {
        using DisposeScope scope = NewDisposeScope();
        // 4×4 patches: position (row, column) has row in its first value, column in its second, and 5 in all others; the class token -1.
        Dictionary<string, Tensor> file = Weights(NetworkArchitecture.VitTiny, 4, Colour);
        file["pos_embed"].fill_(5);
        file["pos_embed"].select(1, 0).fill_(-1);
        Tensor index = arange(16, dtype: ScalarType.Float32);
        file["pos_embed"].select(2, 0).narrow(1, 1, 16).copy_(index.div(4).floor());
        file["pos_embed"].select(2, 1).narrow(1, 1, 16).copy_(index.remainder(4));

        (Dictionary<string, Tensor> loaded, IReadOnlyList<string> notes) = Load(NetworkArchitecture.VitTiny, 4, new(3, 32, 64), file);

        StringAssert.Contains(notes.Single(), "'pos_embed' was resized from 4×4 to 8×16 patches");
        Tensor positions = loaded["pos_embed"];
        CollectionAssert.AreEqual(new long[] { 1, 1 + 8 * 16, 192 }, positions.shape);
        Assert.IsTrue(positions.select(1, 0).eq(-1).all().item<bool>());
        Tensor grid = positions.narrow(1, 1, 128).reshape(8, 16, 192);
        Assert.IsTrue(grid.narrow(2, 2, 190).allclose(full(1, 5f), rtol: 1e-5));
        // In the middle of a ramp an interpolation is exact: output 3 of 8 lies at (3 + 0.5)/2 - 0.5 = 1.25 of 4.
        Assert.AreEqual(1.25f, grid[3, 7, 0].item<float>(), 0.02f);
        Assert.AreEqual((7 + 0.5f) / 4 - 0.5f, grid[3, 7, 1].item<float>(), 0.02f);
        Assert.IsTrue(grid.select(2, 0).allclose(3 - grid.select(2, 0).flip(0), atol: 1e-4), "rows, symmetric");
        Assert.IsTrue(grid.select(2, 1).allclose(3 - grid.select(2, 1).flip(1), atol: 1e-4), "columns, symmetric");
    }

    /// <summary>One row of ones among zeros shows the filter itself, which is the antialiased cubic of PyTorch, with a = −1/2.</summary>
    [TestMethod]
    [DataRow(8, 3, 4, new[] { -0.037657f, 0.428571f, 0.111969f, -0.012552f })]
    [DataRow(4, 1, 8, new[] { -0.088235f, 0.211679f, 0.847328f, 0.867188f, 0.226562f, -0.068702f, -0.021898f, 0 })]
    public void PositionsAreResizedByTheFilterThatTheirPublishersUse(int from, int row, int to, float[] expected)
    {
        const int Patch = 4;
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> file = Weights(NetworkArchitecture.VitTiny, 4, new(3, from * Patch, from * Patch));
        file["pos_embed"].zero_();
        file["pos_embed"].select(2, 0).narrow(1, 1, from * from).view(from, from)[row].fill_(1);

        Dictionary<string, Tensor> loaded = Load(NetworkArchitecture.VitTiny, 4, new(3, to * Patch, to * Patch), file).Weights;

        Tensor grid = loaded["pos_embed"].select(2, 0).narrow(1, 1, to * to).reshape(to, to);
        for (int i = 0; i < to; i++)
            Assert.AreEqual(expected[i], grid[i, 0].item<float>(), 1e-4f, $"row {i}");
    }

    [TestMethod]
    public void AsManyPatchesInAnotherGridAreOthers()
    {
        using DisposeScope scope = NewDisposeScope();
        ImageShape square = new(3, 32, 32), wide = new(3, 16, 64), tall = new(3, 64, 16);
        // 8×8, 4×16 and 16×4 patches; the first value of a position is its row.
        Dictionary<string, Tensor> OfRows(ImageShape shape)
        {
            Dictionary<string, Tensor> file = Weights(NetworkArchitecture.VitTiny, 4, shape);
            int columns = shape.Width / 4;
            file["pos_embed"].select(2, 0).narrow(1, 1, 64).copy_(arange(64, dtype: ScalarType.Float32).div(columns).floor());
            return file;
        }

        Dictionary<string, Tensor> published = OfRows(square), ofWide = OfRows(wide);
        (Dictionary<string, Tensor> loaded, IReadOnlyList<string> notes) = Load(NetworkArchitecture.VitTiny, 4, wide, published);
        StringAssert.Contains(notes.Single(), "'pos_embed' was resized from 8×8 to 4×16 patches");
        AssertRows(loaded, 4, 16, last: 7);

        // A file that tells what images it is for is taken at its word.
        (loaded, notes) = Load(NetworkArchitecture.VitTiny, 4, wide, ofWide, wide);
        Assert.IsEmpty(notes);
        Assert.IsTrue(TestNets.Same(ofWide["pos_embed"], loaded["pos_embed"]));
        (loaded, notes) = Load(NetworkArchitecture.VitTiny, 4, tall, ofWide, wide);
        StringAssert.Contains(notes.Single(), "from 4×16 to 16×4 patches");
        AssertRows(loaded, 16, 4, last: 3);
        (loaded, notes) = Load(NetworkArchitecture.VitTiny, 4, Colour, ofWide, wide);
        StringAssert.Contains(notes.Single(), "from 4×16 to 4×4 patches");
        AssertRows(loaded, 4, 4, last: 3);

        // One whose word cannot be true is not.
        (loaded, notes) = Load(NetworkArchitecture.VitTiny, 4, square, published, wide with { Width = 68 });
        Assert.IsEmpty(notes);

        void AssertRows(Dictionary<string, Tensor> weights, int rows, int columns, float last)
        {
            Tensor grid = weights["pos_embed"].select(2, 0).narrow(1, 1, rows * columns).reshape(rows, columns);
            Assert.IsTrue(grid.sub(grid.narrow(1, 0, 1)).abs().max().item<float>() < 1e-4, "a row is alike in all columns");
            Assert.IsTrue(grid.add(grid.flip(0)).sub(last).abs().max().item<float>() < 1e-4, "rows rise from 0 to the last");
            Assert.IsGreaterThan(0.7f * last, (grid[rows - 1, 0] - grid[0, 0]).item<float>());
        }
    }

    [TestMethod]
    public void PositionsThatAreNoSquareAreNotGuessedAt()
    {
        using DisposeScope scope = NewDisposeScope();
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(NetworkArchitecture.VitTiny, 4, Colour);
        Dictionary<string, Tensor> file = Copy(network);
        foreach (long[] shape in new long[][] { [1, 19, 192], [1, 26, 191], [1, 1, 192], [2, 17, 192], [17, 192] })
        {
            file["pos_embed"] = zeros(shape);
            InvalidDataException exception = Assert.ThrowsExactly<InvalidDataException>(
                () => WeightTransfer.Load(network, ClassificationHead.Find(network, 4), Colour, file));
            StringAssert.Contains(exception.Message, $"pos_embed (the network has Float32 [1, 17, 192], the file Float32 " +
                $"[{string.Join(", ", shape)}])");
        }
    }

    [TestMethod]
    public void SixteenPixelPatchesDoNotFitSmallImages()
    {
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> published = Weights(NetworkArchitecture.VitTiny, 1000, new(3, 224, 224));
        InvalidDataException exception = Assert.ThrowsExactly<InvalidDataException>(
            () => Load(NetworkArchitecture.VitTiny, 4, new(3, 64, 64), published));
        StringAssert.Contains(exception.Message, "patch_embed.proj.weight (the network has Float32 [192, 3, 4, 4], the file Float32 " +
            "[192, 3, 16, 16])");
        StringAssert.Contains(exception.Message,
            "The file's network cuts images into patches of 16×16 pixels, and this one images of 64×64 into patches of 4×4: set " +
            "ImageWidth and ImageHeight to the size that the file is for, which is 224 mostly.");

        IReadOnlyList<string> notes = Load(NetworkArchitecture.VitTiny, 4, new(3, 112, 112), published).Notes;
        Assert.HasCount(2, notes);
    }

    /// <summary>There is no size of images with which the file would fit, but for patches of 4.</summary>
    [TestMethod]
    [DataRow(32, 224, "It cuts none into patches of 32×32: take the file of a network with patches of 16×16 (patch16 in its name).")]
    [DataRow(8, 64, "It cuts none into patches of 8×8: take the file of a network with patches of 16×16 (patch16 in its name).")]
    [DataRow(4, 224, "set ImageWidth and ImageHeight to the size that the file is for, which is below 112.")]
    public void TheAdviceOnPatchesCanBeFollowed(int patch, int side, string advice)
    {
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> published = Weights(NetworkArchitecture.VitTiny, 1000, new(3, 224, 224));
        published["patch_embed.proj.weight"] = zeros(192, 3, patch, patch);
        InvalidDataException exception = Assert.ThrowsExactly<InvalidDataException>(
            () => Load(NetworkArchitecture.VitTiny, 4, new(3, side, side), published));
        StringAssert.Contains(exception.Message, $"patches of {patch}×{patch} pixels");
        StringAssert.Contains(exception.Message, advice);
    }

    private static (Dictionary<string, Tensor> Weights, IReadOnlyList<string> Notes) Load(
        string name, int classes, ImageShape input, Dictionary<string, Tensor> file, ImageShape? madeFor = null)
    {
        (Dictionary<string, Tensor> weights, IReadOnlyList<string> notes, _) = LoadAndTell(name, classes, input, file, madeFor);
        return (weights, notes);
    }

    private static (Dictionary<string, Tensor> Weights, IReadOnlyList<string> Notes, Dictionary<string, Tensor> Before) LoadAndTell(
        string name, int classes, ImageShape input, Dictionary<string, Tensor> file, ImageShape? madeFor = null)
    {
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(name, classes, input);
        Dictionary<string, Tensor> before = Copy(network);
        IReadOnlyList<string> notes = WeightTransfer.Load(network, ClassificationHead.Find(network, classes), input, file, null, madeFor);
        return (Copy(network), notes, before);
    }

    /// <summary>Weights of a new network, with running statistics that are not those of a new network.</summary>
    private static Dictionary<string, Tensor> Weights(string name, int classes, ImageShape input)
    {
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(name, classes, input);
        Dictionary<string, Tensor> weights = Copy(network);
        foreach ((string key, Tensor tensor) in weights)
        {
            if (key.Contains("running", StringComparison.Ordinal))
                tensor.uniform_(0.5, 2);
        }
        return weights;
    }

    private static Dictionary<string, Tensor> Copy(nn.Module network) =>
        network.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.detach().clone());
}
