using Microsoft.ML.Data;
using SkiaSharp;
using TorchSharp;
using static Microsoft.ML.SharpnessAware.Tests.TestRows;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Files that store grey values beside files in colour: all are taken in colour, in whatever order they come.</summary>
[TestClass]
public sealed class GreyAndColourTests
{
    private static readonly ImageRequest AnyChannels = new(4, 4);

    private readonly List<string> _log = [];

    [TestMethod]
    [DataRow("g")]
    [DataRow("gggggggg")]
    public void ImagesThatAreAllGreyHaveOneChannel(string kinds)
    {
        using ImageDataset data = Load(kinds);
        Assert.AreEqual(1, data.Shape.Channels);
        CollectionAssert.AreEqual(Pixels(kinds, 1), Pixels(data));
        Assert.IsEmpty(_log);
    }

    [TestMethod]
    [DataRow("c", null)]
    [DataRow("ccc", null)]
    [DataRow("gc", "1 of 2")]
    [DataRow("cg", "1 of 2")]
    [DataRow("ggggc", "4 of 5")]
    [DataRow("gcgcgcgcg", "5 of 9")]
    [DataRow("gxgc", "2 of 3")]
    [DataRow("xgc", "1 of 2")]
    public void OneInColourMakesAllColour(string kinds, string? logged)
    {
        using ImageDataset data = Load(kinds);
        Assert.AreEqual(3, data.Shape.Channels);
        CollectionAssert.AreEqual(Pixels(kinds, 3), Pixels(data));
        Assert.HasCount(logged is null ? 0 : 1, _log);
        if (logged is not null)
            StringAssert.StartsWith(_log[0], $"{logged} images are grey and are taken in colour, since the others are in colour; " +
                "ImageChannels = 1 ");
    }

    [TestMethod]
    public void AllOrdersOfFiveGiveWhatAskingForColourGives()
    {
        for (int bits = 1; bits < 32; bits++)
        {
            string kinds = string.Concat(Enumerable.Range(0, 5).Select(i => (bits >> i & 1) == 1 ? 'c' : 'g'));
            using ImageDataset open = Load(kinds), asked = ImageDataset.Load(Data(kinds), "Image", "Label", new(4, 4, 3));
            CollectionAssert.AreEqual(Pixels(asked), Pixels(open), kinds);
            CollectionAssert.AreEqual(asked.LabelArray(), open.LabelArray(), kinds);
        }
    }

    /// <summary>Without a row count (a stream) the pixels lie in blocks, of which each must be made colour.</summary>
    [TestMethod]
    public void AStreamThatTurnsToColourLateIsTheSame()
    {
        const string Kinds = "gggggggggggc";
        IDataView stream = Context.Data.LoadFromEnumerable(Rows(Kinds).Where(_ => true));
        var request = new ImageRequest(2048, 1024); // 2 MB as grey: 16 in a block, of colour 5
        using ImageDataset open = ImageDataset.Load(stream, "Image", "Label", request, log: _log.Add);
        using ImageDataset asked = ImageDataset.Load(stream, "Image", "Label", new(2048, 1024, 3));
        CollectionAssert.AreEqual(Pixels(asked), Pixels(open));
    }

    [TestMethod]
    [DataRow("gggc", 3)]
    [DataRow("cggg", 3)]
    [DataRow("gg", 1)]
    [DataRow("gxc", 3)]
    public void TheCacheKeepsWhatMemoryKeeps(string kinds, int channels)
    {
        using var folder = new TemporaryFolder();
        byte[]? first = null;
        for (int round = 0; round < 2; round++)
        {
            _log.Clear();
            using ImageDataset memory = Load(kinds), cached = Load(kinds, new PixelCache(folder.Path));
            Assert.AreEqual(channels, cached.Shape.Channels);
            CollectionAssert.AreEqual(Pixels(memory), Pixels(cached));
            CollectionAssert.AreEqual(memory.LabelArray(), cached.LabelArray());
            Assert.HasCount(1, folder.FileNames());
            Assert.HasCount(kinds.Contains('c') ? 2 : 0, _log); // one of each, in either round
            first ??= File.ReadAllBytes(folder.File(folder.FileNames()[0]));
            CollectionAssert.AreEqual(first, File.ReadAllBytes(folder.File(folder.FileNames()[0])));
        }
    }

    [TestMethod]
    public void ChannelsThatAreAskedForAreLoggedOnce()
    {
        using ImageDataset grey = ImageDataset.Load(Data("ccg"), "Image", "Label", new(4, 4, 1), log: _log.Add);
        Assert.AreEqual(1, grey.Shape.Channels);
        StringAssert.StartsWith(_log.Single(), "2 of 3 images are in colour and are taken as grey, as ImageChannels or the images");
    }

    [TestMethod]
    [DataRow("gcgcgcgcgcgcgcgcgcgc", "cccccc", 3)]
    [DataRow("gggggggggggggggggggg", "cgcgcg", 1)]
    [DataRow("cccccccccccccccccccc", "gggggg", 3)]
    public void AModelIsTrainedValidatedAndScoresWhateverKindsThereAre(string training, string validation, int channels)
    {
        IDataView train = Data(training), valid = Data(validation);
        var trainer = Context.MulticlassClassification.Trainers.SharpnessAwareImageClassification(
            new SharpnessAwareImageClassificationTrainer.Options
        {
            FeatureColumnName = "Image", ValidationSet = valid, Epoch = 1, ImageWidth = 8, ImageHeight = 8, Seed = 1, Arch =
                NetworkArchitecture.ResNet8,
        });
        using SharpnessAwareImageClassificationTransformer model = trainer.Fit(train);
        Assert.AreEqual(channels, model.Classifier.Shape.Channels);
        foreach (IDataView data in new[] { train, valid,
            MLImages([.. Enumerable.Range(0, 3).Select(i =>
            MLImage.CreateFromStream(new MemoryStream(Encoded(i % 2 == 0 ? 'g' : 'c', i))))]) })
            Assert.IsTrue(model.Transform(data).GetColumn<float[]>("Score").All(scores => Math.Abs(scores.Sum() - 1) < 1e-4));
    }

    private ImageDataset Load(string kinds, PixelCache? cache = null) => ImageDataset.Load(
        Data(kinds), "Image", "Label", AnyChannels, badImages: new BadImages(OnBadImage.Skip), cache: cache, log: _log.Add);

    private static IDataView Data(string kinds) => View([.. Rows(kinds)]);

    private static IEnumerable<FileRow> Rows(string kinds) =>
        kinds.Select((kind, i) => new FileRow { Image = Encoded(kind, i), Label = (uint)(i % 3) });

    private static byte[] Encoded(char kind, int i) => kind switch
    {
        'g' => TestImages.EncodeGrey(4, 4, (x, y) => (byte)((16 * i) + (4 * y) + x)),
        'c' => TestImages.Encode(4, 4, (x, y) => new SKColor((byte)(16 * i), (byte)(60 * y), (byte)(60 * x))),
        _ => "no image"u8.ToArray(),
    };

    /// <summary>What the images are as read one by one in so many channels.</summary>
    private static byte[] Pixels(string kinds, int channels) =>
        [.. kinds.Select((kind, i) => (kind, i)).Where(one => one.kind != 'x')
            .SelectMany(one => ReadFile(Encoded(one.kind, one.i), 4, 4, channels))];

    private static byte[] Pixels(ImageDataset data)
    {
        using torch.Tensor all = data.Batch(0, data.Count);
        return all.data<byte>().ToArray();
    }
}
