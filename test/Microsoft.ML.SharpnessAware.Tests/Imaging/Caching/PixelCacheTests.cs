using System.Security.Cryptography;
using Microsoft.ML.Data;
using SkiaSharp;
using static Microsoft.ML.SharpnessAware.Tests.TestRows;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed partial class PixelCacheTests
{
    private const string Cached = "come from the cache", Damaged = "is damaged and will be written again", New = "are in the cache";

    private readonly TemporaryFolder _folder = new();
    private readonly List<string> _log = [];

    [TestCleanup]
    public void Free() => _folder.Dispose();

    [TestMethod]
    [DataRow("bytes")]
    [DataRow("floats")]
    [DataRow("files")]
    [DataRow("MLImages")]
    public void PixelsAndLabelsAreThoseOfMemoryWhenWrittenAndWhenUsedAgain(string kind)
    {
        using var red = new MLImageHolder(SKColors.Red);
        using var blue = new MLImageHolder(SKColors.Blue);
        IDataView data = kind switch
        {
            "bytes" => Pixels([2, 2, 3], [.. Enumerable.Range(0, 7).Select(i => Dense([.. Enumerable.Range(i, 12).Select(v => (byte)v)]))]),
            "floats" => Pixels([1, 1, 2], Dense(0.5f, -3f), Dense(1f, float.MaxValue), new VBuffer<float>(2, 1, [7f], [1])),
            "files" => Images(5),
            _ => MLImages(red.Image, blue.Image),
        };
        using ImageDataset memory = Load(data, cache: null);
        for (int run = 0; run < 2; run++)
        {
            using ImageDataset mapped = Load(data);
            StringAssert.Contains(_log[run], run == 0 ? New : Cached);
            AssertSame(memory, mapped);
        }

        Assert.HasCount(1, _folder.FileNames());
    }

    [TestMethod]
    public void WhatIsInTheCacheIsNotDecodedAgain()
    {
        IDataView data = Images(4);
        Load(data).Dispose();
        byte[] other = Rewrite(trailer => trailer);
        using ImageDataset again = Load(data);
        using Tensor pixels = again.Batch(0, 4);
        CollectionAssert.AreEqual(other, pixels.bytes.ToArray());
    }

    [TestMethod]
    public void EachImageIsReadOnceWhetherTheCacheIsWrittenOrUsed()
    {
        int reads = 0;
        IDataView files = Images(4);
        IDataView counted = Context.Transforms.CustomMapping<FileRow, Mapped>((source, target) =>
        {
            Interlocked.Increment(ref reads);
            target.Copy = source.Image;
        }, null).Fit(files).Transform(files);
        for (int run = 1; run <= 3; run++)
        {
            ImageDataset.Load(counted, "Copy", "Label", new(2, 2), cache: Cache()).Dispose();
            Assert.AreEqual(4 * run, reads);
        }
    }

    [TestMethod]
    public void AFileThatIsWholeButNotOfThisContentAndTheseSettingsIsNotUsed()
    {
        IDataView data = Images(4);
        using ImageDataset memory = Load(data, cache: null);
        foreach (Func<CacheTrailer, CacheTrailer> change in new Func<CacheTrailer, CacheTrailer>[]
                 {
                     trailer => trailer with { Content = new byte[32] }, trailer => trailer with { Settings = "other" },
                     trailer => trailer with { Checksum = new byte[32] }, trailer => trailer with { Count = 3 },
                 })
        {
            Load(data).Dispose();
            Rewrite(change);
            using ImageDataset again = Load(data);
            AssertSame(memory, again);
        }
    }

    [TestMethod]
    public void AChangedAddedMovedOrMissingImageMakesANewFile()
    {
        byte[][] files = [.. Enumerable.Range(0, 3).Select(i => TestImages.EncodeGrey(2, 2, (_, _) => (byte)(40 * i)))];
        byte[][][] variants =
        [
            files, [files[0], files[1]], [.. files, files[0]], [files[1], files[0], files[2]], [files[0], files[0], files[2]],
        ];
        for (int i = 0; i < variants.Length; i++)
        {
            using ImageDataset memory = Load(Files(variants[i]), cache: null);
            using ImageDataset mapped = Load(Files(variants[i]));
            AssertSame(memory, mapped);
            Assert.HasCount(i + 1, _folder.FileNames());
        }

        Assert.IsTrue(_log.TrueForAll(message => message.Contains(New)));
    }

    [TestMethod]
    public void BytesThatMoveFromOneRowToTheNextMakeANewFile()
    {
        foreach (string[] bad in new string[][] { ["no image", " at all"], ["no image at", " all"] })
        {
            byte[][] files = [Grey(1), .. bad.Select(System.Text.Encoding.UTF8.GetBytes)];
            Load(Files(files), badImages: new BadImages(OnBadImage.Skip)).Dispose();
        }

        Assert.HasCount(2, _folder.FileNames());
    }

    [TestMethod]
    public void AnotherSizeNumberOfChannelsOrResizeModeMakesANewFile()
    {
        IDataView data = Images(3);
        ImageRequest[] requests =
        [
            new(2, 2), new(3, 2), new(2, 3), new(2, 2, 1), new(2, 2, 3), new(2, 2) { Resizing = ResizingKind.IsoCrop },
            new(2, 2) { Resizing = ResizingKind.IsoPad },
        ];
        for (int run = 0; run < 2; run++)
        {
            foreach (ImageRequest request in requests)
            {
                using ImageDataset memory = Load(data, request: request, cache: null);
                using ImageDataset mapped = Load(data, request: request);
                AssertSame(memory, mapped);
            }
        }

        Assert.HasCount(requests.Length, _folder.FileNames());
        Assert.AreEqual(requests.Length, _log.Count(message => message.Contains(Cached)));
    }

    [TestMethod]
    public void LabelsComeFromTheDataSoThatCorrectingThemDecodesNothing()
    {
        FileRow[] rows = [.. Enumerable.Range(0, 4).Select(i => new FileRow { Image = Grey(i), Label = (uint)(i % 3) })];
        Load(View(rows)).Dispose();
        rows[2].Label = 0;
        using ImageDataset again = Load(View(rows));
        StringAssert.Contains(_log[1], Cached);
        CollectionAssert.AreEqual(new long[] { 0, 1, 0, 0 }, again.Labels.data<long>().ToArray());
    }

    [TestMethod]
    public void SkippedImagesAreSkippedAndNamedAlikeWithTheCache()
    {
        byte[] broken = "no image"u8.ToArray();
        FileRow[] rows =
        [
            .. new[] { broken, Grey(1), [], Grey(2), Grey(3), Grey(4)[..60], Grey(5) }.Select((file, i) => new FileRow
            {
                Image = file, Label = (uint)(i % 3), ImagePath = $"{i}.png",
            }),
        ];
        List<string> expected = [];
        using ImageDataset memory = Load(View(rows), cache: null, badImages: new BadImages(OnBadImage.Skip, expected.Add));
        for (int run = 0; run < 2; run++)
        {
            foreach (FileRow row in rows)
                row.ImagePath = $"{run}/{row.ImagePath}";
            List<string> warnings = [];
            using ImageDataset mapped = Load(View(rows), badImages: new BadImages(OnBadImage.Skip, warnings.Add));
            StringAssert.Contains(_log[run], run == 0 ? New : Cached);
            AssertSame(memory, mapped);
            Assert.AreEqual(expected.Single(), warnings.Single().Replace("1/0/", "").Replace("0/", ""));
        }

        string error = Error(() => Load(View(rows)));
        Assert.AreEqual(Error(() => Load(View(rows), cache: null)), error);
        StringAssert.StartsWith(error, "3 of 7 images cannot be used");
    }

    [TestMethod]
    public void ASourceThatCanBeReadOnlyOnceIsToldSoWhereItIsReadAgain()
    {
        FileRow[] rows =
        [
            .. new[] { Grey(1), "no image"u8.ToArray(), Grey(2) }.Select((file, i) => new FileRow { Image = file, Label = (uint)i }),
        ];
        using (Load(Once(rows), badImages: new BadImages(OnBadImage.Skip)))
            StringAssert.Contains(_log[0], New);

        foreach (FileRow[] again in new FileRow[][] { rows, [rows[0], rows[2]] })
        {
            string error = Error(() => Load(Once(again), badImages: new BadImages(OnBadImage.Skip)));
            StringAssert.Contains(error, "can be read only once");
            StringAssert.Contains(error, "WorkspacePath");
            StringAssert.Contains(error, $"{again.Length} row");
        }

        static IDataView Once(FileRow[] rows)
        {
            var left = new Queue<FileRow>(rows);
            return Context.Data.LoadFromEnumerable(Left());

            IEnumerable<FileRow> Left()
            {
                while (left.TryDequeue(out FileRow? row))
                    yield return row;
            }
        }
    }

    private static byte[] Grey(int level) => TestImages.EncodeGrey(2, 2, (_, _) => (byte)((10 * level) + 1));

    private static IDataView Images(int count) =>
        View([.. Enumerable.Range(0, count).Select(i => new FileRow { Image = Grey(i), Label = (uint)(i % 3) })]);

    private static string Error(Func<ImageDataset> load) => Assert.ThrowsExactly<InvalidOperationException>(load).Message;

    private static void AssertSame(ImageDataset expected, ImageDataset actual)
    {
        Assert.AreEqual(expected.Count, actual.Count);
        Assert.AreEqual(expected.Shape, actual.Shape);
        Assert.AreEqual(expected.PixelType, actual.PixelType);
        Assert.AreEqual(expected.NumberOfClasses, actual.NumberOfClasses);
        CollectionAssert.AreEqual(expected.LabelArray(), actual.LabelArray());
        using Tensor index = arange(expected.Count - 1, -1, -1, int64);
        Func<ImageDataset, Tensor>[] batches = [data => data.Batch(0, data.Count), data => data.Batch(index)];
        foreach (Func<ImageDataset, Tensor> batch in batches)
        {
            using Tensor expectedBatch = batch(expected), actualBatch = batch(actual);
            CollectionAssert.AreEqual(expectedBatch.shape, actualBatch.shape);
            CollectionAssert.AreEqual(expectedBatch.bytes.ToArray(), actualBatch.bytes.ToArray());
        }
    }

    private PixelCache Cache() => new(_folder.Path, _log.Add);

    private ImageDataset Load(IDataView data) => Load(data, Cache());

    private ImageDataset Load(IDataView data, ImageRequest request) => Load(data, Cache(), request);

    private ImageDataset Load(IDataView data, BadImages badImages) => Load(data, Cache(), badImages: badImages);

    private static ImageDataset Load(IDataView data, PixelCache? cache, ImageRequest? request = null, BadImages? badImages = null) =>
        ImageDataset.Load(data, "Image", "Label",
            request ?? (data.Schema["Image"].Type is VectorDataViewType { IsKnownSize: true } ? new() : new(2, 2)),
            badImages: badImages, cache: cache);

    /// <summary>BinaryReader tells of a negative length as of a disk that cannot be read.</summary>
    [TestMethod]
    public void ATrailerWithATextOfNegativeLengthIsDamaged()
    {
        using var file = new MemoryStream();
        using var writer = new BinaryWriter(file);
        CheckedBlock.Write(writer, [0xFF, 0xFF, 0xFF, 0xFF, 0x0F]);
        writer.Write(0L);
        writer.Write("MLSPIX02"u8);
        writer.Flush();
        Assert.IsNull(CacheTrailer.Read(file));
    }

    private string Single() => Directory.GetFiles(_folder.Path, "*.cache").Single();

    /// <summary>Replaces the cache's file by one with inverted pixels, whole in itself, and returns the pixels.</summary>
    private byte[] Rewrite(Func<CacheTrailer, CacheTrailer> change)
    {
        string path = Single();
        CacheTrailer trailer;
        using (FileStream file = File.OpenRead(path))
            trailer = CacheTrailer.Read(file)!;
        byte[] pixels = [.. File.ReadAllBytes(path).Take((int)trailer.Count * trailer.ImageBytes).Select(value => (byte)~value)];
        using FileStream other = File.Create(path);
        other.Write(pixels);
        change(trailer with { Checksum = SHA256.HashData(pixels) }).Write(other);
        return pixels;
    }

    private sealed class Mapped
    {
        public byte[]? Copy { get; set; }
    }

    private sealed class MLImageHolder(SKColor color) : IDisposable
    {
        public MLImage Image { get; } =
            MLImage.CreateFromStream(new MemoryStream(TestImages.Encode(2, 2, (x, _) => x == 0 ? color : SKColors.White)));

        public void Dispose() => Image.Dispose();
    }
}
