using CsCheck;
using Microsoft.ML.Data;
using SkiaSharp;
using static Microsoft.ML.SharpnessAware.Tests.TestRows;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Data sets whose images several processes (threads here) share out.</summary>
[TestClass]
public sealed class SharedDatasetTests
{
    private static readonly ImageRequest AnyChannels = new(4, 4);

    [TestMethod]
    public void RowsAreDealtOutClassByClassHoweverTheyAreSorted() =>
        Gen.Select(Gen.Long[0, 4].Array[1, 60], Gen.Int[1, 7]).Sample((labels, parts) =>
        {
            RowOwners owners = RowOwners.Deal(labels, parts, group: null);
            int[] counts = new int[parts];
            int[,] ofClass = new int[parts, 5];
            for (int row = 0; row < labels.Length; row++)
            {
                counts[owners[row]]++;
                ofClass[owners[row], labels[row]]++;
            }
            for (int label = 0; label < 5; label++)
            {
                int[] each = [.. Enumerable.Range(0, parts).Select(part => ofClass[part, label])];
                if (each.Max() - each.Min() > 1)
                    return false;
            }
            return counts.Max() - counts.Min() <= 1;
        });

    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(5)]
    public void EachHasItsOwnImagesAndKnowsTheRestAsOneProcessDoes(int size)
    {
        IDataView data = Data("gcggcgxgccgcgxggccg");
        using ImageDataset alone = Load(data);
        string[] hashes = ThreadProcessGroup.Run(size, group =>
        {
            using ImageDataset shared = Load(data, group);
            using ImageDataset part = shared.Subset([16, 3, 5, 0, 11, 2]);
            using ImageDataset here = part.Here();
            CollectionAssert.AreEqual(alone.Labels.data<long>().ToArray(), shared.Labels.data<long>().ToArray());
            Assert.AreEqual(alone.Shape, shared.Shape);
            AssertSame(alone, shared, group);
            using ImageDataset samePart = alone.Subset([16, 3, 5, 0, 11, 2]);
            AssertSame(samePart, part, group);
            Assert.AreEqual(part.Owners!.Own.Length, here.Count);
            Assert.AreEqual(PixelStatistics.FromData(alone), PixelStatistics.FromData(shared));
            Assert.AreEqual(PixelStatistics.FromData(samePart), PixelStatistics.FromData(part));
            return shared.ContentHash();
        });

        Assert.HasCount(1, hashes.Distinct());
        if (size > 1)
        {
            string other = ThreadProcessGroup.Run(size, group =>
            {
                using ImageDataset shared = Load(Data("gcggcgxgccgcgxggcgg"), group);
                return shared.ContentHash();
            })[0];
            Assert.AreNotEqual(other, hashes[0]);
        }
    }

    /// <summary>Each row's image is where it is said to be, and nowhere else.</summary>
    private static void AssertSame(ImageDataset alone, ImageDataset shared, ProcessGroup group)
    {
        double[] found = new double[alone.Count];
        for (long row = 0; row < alone.Count; row++)
        {
            if (!shared.Owners!.IsHere(row))
                continue;
            found[row] = 1;
            using Tensor index = tensor(new[] { row }), expected = alone.Batch(index), actual = shared.Batch(index);
            CollectionAssert.AreEqual(expected.data<byte>().ToArray(), actual.data<byte>().ToArray());
        }
        group.AllReduceSum(found);
        Assert.IsTrue(Array.TrueForAll(found, count => count == 1));
        using Tensor first = alone.First(), same = shared.First();
        CollectionAssert.AreEqual(first.data<byte>().ToArray(), same.data<byte>().ToArray());
    }

    [TestMethod]
    [DataRow("gggcgggg", 3, "7 of 8 images are grey and are taken in colour")]
    [DataRow("gggggggg", 1, "")]
    [DataRow("cccccccc", 3, "")]
    public void OneColouredImageAnywhereMakesAllColoured(string kinds, int channels, string said)
    {
        (int Channels, string Log)[] results = ThreadProcessGroup.Run(4, group =>
        {
            List<string> log = [];
            using ImageDataset shared = Load(Data(kinds), group, log.Add);
            return (shared.Shape.Channels, string.Join('\n', log));
        });

        foreach ((int found, string log) in results)
        {
            Assert.AreEqual(channels, found);
            StringAssert.StartsWith(log, said);
            Assert.AreEqual(said.Length == 0, log.Length == 0);
        }
    }

    [TestMethod]
    public void FloatsHaveTheSameStatisticsAndTheSameWhite()
    {
        foreach (float scale in new[] { 1, 255f })
        {
            IDataView data = Fitted.View(new MLContext(1), Shapes.Floats(20).Select(row => new FloatRow
            {
                Label = row.Label, Image = Array.ConvertAll(row.Image, value => value * scale),
            }));
            using ImageDataset alone = ImageDataset.Load(data, "Image", "Label", new());
            PixelStatistics expected = PixelStatistics.FromData(alone);
            ThreadProcessGroup.Run(3, group =>
            {
                using ImageDataset shared = ImageDataset.Load(data, "Image", "Label", new(), sharedBy: group);
                PixelStatistics actual = PixelStatistics.FromData(shared);
                Assert.AreEqual(expected.Mean[0], actual.Mean[0], 1e-12 * scale);
                Assert.AreEqual(expected.StandardDeviation[0], actual.StandardDeviation[0], 1e-12 * scale);
                Assert.AreEqual(scale, PixelScale.White(shared));
                return 0;
            });
        }
    }

    [TestMethod]
    public void ImagesOfOthersAreNeitherReadNorKept()
    {
        int[] reads = ThreadProcessGroup.Run(4, group =>
        {
            var rows = Enumerable.Range(0, 200).Select(i => new CountedRow(Encoded('g', i % 3), (uint)(i % 3))).ToArray();
            long? room = null;
            using ImageDataset shared = ImageDataset.Load(View(rows), "Image", "Label", AnyChannels, sharedBy: group, sink: count =>
            {
                room = count;
                return new MemorySink(ScalarType.Byte, count);
            });
            using ImageDataset here = shared.Here();
            Assert.AreEqual(50, here.Count);
            Assert.AreEqual(50, room, "memory is taken for a share of the images");
            return rows.Count(row => row.Reads > 0);
        });

        foreach (int count in reads)
            Assert.IsTrue(count is >= 50 and <= 50 + 16, $"{count} of 200 images were read for a share of 50");
    }

    [TestMethod]
    [DataRow("ggcgcgcg", "ggcgcgcgg", "process 0: 9 rows here and 8 there")]
    [DataRow("ggcgcgcg", "ggcgcggc", "the images of 8 rows that were compared are others")]
    public void ProcessesThatReadOtherDataAreToldSo(string first, string other, string expected)
    {
        Exception[] errors = ThreadProcessGroup.Run<Exception>(3, group =>
        {
            try
            {
                Load(Data(group.Rank == 1 ? other : first), group).Dispose();
                group.Barrier();
                return new InvalidOperationException("nothing was found");
            }
            catch (Exception exception)
            {
                if (exception is InvalidOperationException)
                    group.Fail(exception);
                return exception;
            }
        });

        StringAssert.Contains(errors[1].Message, "Process 1 reads other data than process 0");
        StringAssert.Contains(errors[1].Message, expected);
        StringAssert.Contains(errors[2].Message, errors[1].Message);
    }

    [TestMethod]
    public void ADamagedImageIsNamedByItsRowInTheWholeData()
    {
        string[] errors = ThreadProcessGroup.Run(2, group =>
        {
            InvalidOperationException error = Assert.Throws<InvalidOperationException>(() =>
            {
                try
                {
                    ImageDataset.Load(Data("ggggggxggg"), "Image", "Label", AnyChannels, sharedBy: group).Dispose();
                }
                catch (InvalidOperationException exception)
                {
                    group.Fail(exception);
                    throw;
                }
                catch (ProcessGroupException exception)
                {
                    throw new InvalidOperationException(exception.Message);
                }
            });
            return error.Message;
        });

        Assert.IsTrue(Array.TrueForAll(errors, error => error.Contains("row 6 ")), string.Join('\n', errors));
    }

    [TestMethod]
    public void ACacheKeepsEachShareAndIsUsedAgain()
    {
        using var folder = new TemporaryFolder();
        IDataView data = Data("cxccccxcccc");
        for (int round = 0; round < 2; round++)
        {
            string[][] logs = ThreadProcessGroup.Run(2, group =>
            {
                List<string> log = [];
                using ImageDataset shared = ImageDataset.Load(data, "Image", "Label", new(4, 4, 3),
                    badImages: new BadImages(OnBadImage.Skip), cache: new PixelCache(folder.Path, log.Add), sharedBy: group);
                using ImageDataset alone = Load(data);
                CollectionAssert.AreEqual(alone.Labels.data<long>().ToArray(), shared.Labels.data<long>().ToArray());
                AssertSame(alone, shared, group);
                return log.ToArray();
            });
            foreach (string[] log in logs)
                StringAssert.Contains(log.Single(), round == 0 ? "are in the cache" : "come from the cache");
        }
    }

    /// <summary>A queue is empty when the images are to be read; other sources have fewer or other rows then.</summary>
    [TestMethod]
    [DataRow(0, "and, read again with their images, 0 rows")]
    [DataRow(5, "and, read again with their images, 5 rows")]
    [DataRow(9, "and, read again with their images, 9 rows")]
    [DataRow(-8, "other labels")]
    public void DataThatGiveOtherRowsWhenTheyAreReadAgainAreRefused(int rowsThen, string words)
    {
        string[] errors = ThreadProcessGroup.Run(2, group => Assert.Throws<Exception>(() =>
        {
            int reads = 0;
            try
            {
                Load(Context.Data.LoadFromEnumerable(Rows()), group).Dispose();
                group.Barrier();
            }
            catch (InvalidOperationException exception)
            {
                group.Fail(exception);
                throw;
            }

            IEnumerable<FileRow> Rows()
            {
                bool again = reads++ > 0;
                for (int i = 0; i < (again ? Math.Abs(rowsThen) : 8); i++)
                    yield return new FileRow { Image = Encoded('g', i), Label = (uint)((again && rowsThen < 0 ? 7 - i : i) % 3) };
            }
        }).Message);

        StringAssert.Contains(errors[0], words);
        StringAssert.Contains(errors[0], "Sharding");
    }

    [TestMethod]
    public void FewerImagesThanProcessesAreAnError()
    {
        string[] errors = ThreadProcessGroup.Run(3, group => Assert.ThrowsExactly<InvalidOperationException>(
            () => Load(Data("gg"), group)).Message);

        StringAssert.StartsWith(errors[2], "2 image(s) cannot be dealt out to 3 processes");
    }

    private static ImageDataset Load(IDataView data, ProcessGroup? group = null, Action<string>? log = null) => ImageDataset.Load(
        data, "Image", "Label", AnyChannels, badImages: new BadImages(OnBadImage.Skip), log: log, sharedBy: group);

    private static IDataView Data(string kinds) =>
        View([.. kinds.Select((kind, i) => new FileRow { Image = Encoded(kind, i), Label = (uint)(i % 3) })]);

    private static byte[] Encoded(char kind, int i) => kind switch
    {
        'g' => TestImages.EncodeGrey(4, 4, (x, y) => (byte)((10 * i) + (4 * y) + x)),
        'c' => TestImages.Encode(4, 4, (x, y) => new SKColor((byte)(10 * i), (byte)(60 * y), (byte)(60 * x))),
        _ => "no image"u8.ToArray(),
    };

    private sealed class CountedRow(byte[] file, uint label)
    {
        public byte[] Image
        {
            get
            {
                Reads++;
                return file;
            }
        }

        [KeyType(3)]
        public uint Label => label;

        [NoColumn]
        public int Reads { get; private set; }
    }
}
