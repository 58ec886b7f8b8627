using System.IO.Compression;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class ModelFileTests
{
    private static readonly MLContext MLContext = new(1);
    private static IDataView _data = null!;
    private static byte[] _file = null!;
    private static float[] _scores = null!;

    [ClassInitialize]
    public static void Train(TestContext _)
    {
        _data = Fitted.View(MLContext, Shapes.Pixels(60));
        using var model = Fitted.Model(MLContext, _data, options => options.Arch = NetworkArchitecture.ConvNet);
        using var stream = new MemoryStream();
        MLContext.Model.Save(model, _data.Schema, stream);
        _file = stream.ToArray();
        _scores = AllScores(model);
    }

    /// <summary>What the error of a column of three such dimensions advises.</summary>
    [TestMethod]
    public void AFlatVectorOfSixChannelsIsTrainedOnSavedAndScored()
    {
        const int Side = 6;
        var random = new Random(4);
        PixelRow<byte>[] rows = [.. Enumerable.Range(0, 30).Select(i =>
        {
            byte[] values = new byte[6 * Side * Side];
            random.NextBytes(values);
            values.AsSpan(5 * Side * Side).Fill((byte)(i % 3 * 100));
            return new PixelRow<byte> { Image = TestRows.Dense(values), Label = (uint)i % 3 };
        })];
        var definition = SchemaDefinition.Create(typeof(PixelRow<byte>));
        definition["Image"].ColumnType = new VectorDataViewType(NumberDataViewType.Byte, 6 * Side * Side);
        IDataView data = MLContext.Data.LoadFromEnumerable(rows, definition);
        using SharpnessAwareImageClassificationTransformer model = Fitted.Model(MLContext, data, options =>
            (options.ImageWidth, options.ImageHeight) = (Side, Side));
        Assert.AreEqual(new ImageShape(6, Side, Side), model.Classifier.Shape);
        using var file = new MemoryStream();
        MLContext.Model.Save(model, data.Schema, file);
        ITransformer loaded = new MLContext(1).Model.Load(file, out _);
        using var disposed = (IDisposable)loaded;
        float[][] expected = Fitted.Scores(MLContext, model.Transform(data));
        float[][] actual = Fitted.Scores(MLContext, loaded.Transform(data));
        for (int row = 0; row < expected.Length; row++)
            CollectionAssert.AreEqual(expected[row], actual[row]);
    }

    [TestMethod]
    public void ALoadedModelGivesTheSameScoresAndTellsTheSame()
    {
        using var trained = Fitted.Model(MLContext, _data, options =>
            options.Method = SharpnessAwareMethod.Ssam(0.07) with { Gamma = 0.5, LatePhase = 0.5, AscentShare = 0.75, Period = 2 });
        using var stream = new MemoryStream();
        MLContext.Model.Save(trained, _data.Schema, stream);

        using var loaded = (SharpnessAwareImageClassificationTransformer)new MLContext().Model.Load(stream, out _);

        CollectionAssert.AreEqual(AllScores(trained), AllScores(loaded));
        Assert.AreEqual(trained.Temperature, loaded.Temperature);
        Assert.AreEqual(trained.Method, loaded.Method);
        Assert.AreEqual(trained.Architecture, loaded.Architecture);
        CollectionAssert.AreEqual(trained.ClassNames.ToArray(), loaded.ClassNames.ToArray());
        CollectionAssert.AreEqual(trained.History.ToArray(), loaded.History.ToArray());
    }

    [TestMethod]
    public void TheWeightsInsideAreSafetensors()
    {
        using var zip = new ZipArchive(new MemoryStream(_file));
        ZipArchiveEntry entry = zip.Entries.Single(entry => entry.Name == "weights.safetensors");
        using Stream stream = entry.Open();
        using var scope = TorchSharp.torch.NewDisposeScope();
        Assert.IsGreaterThan(3, SafetensorsFile.Read(stream).Count);
    }

    [TestMethod]
    public void AModelOfTheFirstVersionStretchesAsItDid()
    {
        NetworkArchitecture.Register("FlatForVersion1", classes => TorchSharp.torch.nn.Sequential(
            ("flatten", TorchSharp.torch.nn.Flatten()), ("fc", TorchSharp.torch.nn.Linear(2 * 3, classes))));
        using var loaded = (SharpnessAwareImageClassificationTransformer)MLContext.Model.Load(Path.Combine("Assets",
            "model-version-1.zip"), out _);
        Assert.AreEqual(ResizingKind.Fill, loaded.Classifier.Resizing);

        // 12 × 3: five columns of black, two of grey, five of white; to 2 × 3.
        byte[] wide = TestImages.Encode(12, 3, (x, _) => x < 5 ? SkiaSharp.SKColors.Black : x < 7 ? SkiaSharp.SKColors.Gray
            : SkiaSharp.SKColors.White);
        IDataView data = MLContext.Data.LoadFromEnumerable([new EncodedRow { Label = "dark", Image = wide }]);
        float[] score = Fitted.Scores(MLContext, loaded.Transform(Fitted.Keys(MLContext, data)))[0];
        Assert.AreEqual(0.49821708f, score[0], 1e-6f);
    }

    [TestMethod]
    [DataRow(ResizingKind.IsoCrop)]
    [DataRow(ResizingKind.IsoPad)]
    public void TheResizeModeOfTrainingIsThatOfScoringAfterLoading(ResizingKind mode)
    {
        IDataView data = Fitted.View(MLContext, Shapes.Encoded(24));
        using var trained = Fitted.Model(MLContext, data, options =>
        {
            (options.Resizing, options.ImageWidth, options.ImageHeight, options.Epoch) = (mode, 20, 12, 1);
        });
        using var stream = new MemoryStream();
        MLContext.Model.Save(trained, data.Schema, stream);
        using var loaded = (SharpnessAwareImageClassificationTransformer)new MLContext().Model.Load(stream, out _);
        Assert.AreEqual(mode, loaded.Classifier.Resizing);
        float[] scores = Flat(trained, data);
        CollectionAssert.AreEqual(scores, Flat(loaded, data));

        // The same images in their final form, so that no mode does anything, get the same scores from the same network.
        ImageColumn column = ImageColumn.Bind(data.Schema, "Image", new ImageRequest(20, 12, 3) { Resizing = mode });
        (_, byte[][] images) = TestRows.ReadAll<byte>(data, column);
        IDataView resized = Fitted.View(MLContext, images.Select((image, i) => new EncodedRow
        {
            Label = Shapes.Names[i % 3],
            Image = TestImages.Encode(20, 12, (
                x, y) => new SkiaSharp.SKColor(image[(y * 20) + x], image[240 + (y * 20) + x], image[480 + (y * 20) + x])),
        }));
        CollectionAssert.AreEqual(scores, Flat(loaded, resized));
        Assert.AreEqual(mode == ResizingKind.IsoPad, images[0][0] == 0 && images[0][239] == 0);
    }

    [TestMethod]
    public void AFileCutShortIsRefused()
    {
        for (int length = 0; length < _file.Length; length += Math.Max(1, _file.Length / 40))
            AssertRefusedOrSame(_file[..length], mayLoad: false);
    }

    [TestMethod]
    public void AFileWithAFlippedByteIsRefusedOrGivesTheSameScores()
    {
        var random = new Random(3);
        int refused = 0;
        for (int i = 0; i < 150; i++)
        {
            byte[] damaged = (byte[])_file.Clone();
            damaged[random.Next(damaged.Length)] ^= (byte)(1 << random.Next(8));
            refused += AssertRefusedOrSame(damaged, mayLoad: true) ? 1 : 0;
        }
        Assert.IsGreaterThan(100, refused);
    }

    [TestMethod]
    public void DamagedWeightsAndDescriptionsAreToldApart()
    {
        Assert.Contains("weights", Refusal(Rewrite("weights.safetensors", bytes => bytes[^1] ^= 1)).Message);
        Assert.Contains("description", Refusal(Rewrite("Model.key", bytes => bytes[bytes.AsSpan().IndexOf("convnet"u8)] ^= 1)).Message);
    }

    /// <summary>The file with one entry's bytes changed and zipped anew, so that only our own checks can notice.</summary>
    private static byte[] Rewrite(string name, Action<byte[]> change)
    {
        using var stream = new MemoryStream();
        stream.Write(_file);
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Update, leaveOpen: true))
        {
            ZipArchiveEntry entry = zip.Entries.Where(entry => entry.Name == name).MaxBy(entry => entry.Length)!;
            using Stream content = entry.Open();
            byte[] bytes = new byte[content.Length];
            content.ReadExactly(bytes);
            change(bytes);
            content.Position = 0;
            content.Write(bytes);
        }
        return stream.ToArray();
    }

    /// <summary>What our loader throws; ML.NET calls it by reflection and wraps that.</summary>
    private static FormatException Refusal(byte[] file)
    {
        var e = Assert.Throws<Exception>(() => Load(file));
        return (FormatException)e.GetBaseException();
    }

    private static ITransformer Load(byte[] file) => new MLContext().Model.Load(new MemoryStream(file), out _);

    private static float[] Flat(ITransformer model, IDataView data) =>
        [.. Fitted.Scores(MLContext, model.Transform(data)).SelectMany(row => row)];

    private static float[] AllScores(ITransformer model) => [.. Fitted.Scores(MLContext, model.Transform(_data)).SelectMany(row => row)];

    private static bool AssertRefusedOrSame(byte[] file, bool mayLoad)
    {
        ITransformer loaded;
        try
        {
            loaded = Load(file);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return true;
        }
        Assert.IsTrue(mayLoad, $"A file of {file.Length} in place of {_file.Length} bytes was loaded.");
        CollectionAssert.AreEqual(_scores, AllScores(loaded));
        ((IDisposable)loaded).Dispose();
        return false;
    }
}
