using SkiaSharp;
using static Microsoft.ML.SharpnessAware.Tests.TestRows;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>More rows than are on their way at a time, so that the first are handed on while others are still added.</summary>
[TestClass]
public sealed class ParallelDecodingTests
{
    private const int Rows = 150;

    [TestMethod]
    public void ImagesAreThoseOfDecodingOneAfterTheOther()
    {
        byte[]?[] files = Images();
        using ImageDataset data = Load(Files(files));
        Assert.AreEqual(Rows, data.Count);
        var decoder = new ImageDecoder();
        byte[] expected = new byte[3 * 8 * 8];
        for (int row = 0; row < Rows; row++)
        {
            decoder.Decode(files[row], new ImageShape(3, 8, 8), expected);
            using Tensor image = data.Batch(row, 1);
            CollectionAssert.AreEqual(expected, image.bytes.ToArray(), $"row {row}");
        }
    }

    [TestMethod]
    public void BadImagesAreToldInTheOrderOfTheirRows()
    {
        byte[]?[] files = Images();
        (files[3], files[70], files[149]) = ([1, 2, 3], files[70]![..^40], []);
        var exception = Assert.ThrowsExactly<InvalidOperationException>(() => Load(Files(files)).Dispose());
        int[] places = [.. new[] { 3, 70, 149 }.Select(row => exception.Message.IndexOf($"row {row} ", StringComparison.Ordinal))];
        Assert.IsTrue(places[0] >= 0 && places[0] < places[1] && places[1] < places[2], exception.Message);
    }

    /// <summary>In a fold or another part of the data, too.</summary>
    [TestMethod]
    public void ABadImageIsNamedByItsRowInTheSource()
    {
        byte[]?[] files = Images();
        files[70] = [1, 2, 3];
        IDataView part = Context.Data.SkipRows(Files(files), 50);
        StringAssert.Contains(
            Assert.ThrowsExactly<InvalidOperationException>(() => Load(part).Dispose()).Message, "row 70 (counting from 0)");
    }

    [TestMethod]
    public void CancellationIsHeard()
    {
        int calls = 0;
        Assert.ThrowsExactly<OperationCanceledException>(() => ImageDataset.Load(
            Files(Images()), "Image", "Label", new ImageRequest(8, 8, 3), () =>
            {
                if (++calls > 100)
                    throw new OperationCanceledException();
            }).Dispose());
    }

    [TestMethod]
    public void OnlySoManyImagesAreOnTheirWayAtATime()
    {
        List<long> handedOn = [];
        var decoding = new ParallelDecoding((_, _, row) => handedOn.Add(row), checkCancelled: null);
        for (int row = 0; row < Rows; row++)
        {
            decoding.Add(new EncodedImage([], new InvalidOperationException()), label: 0, row);
            Assert.IsLessThanOrEqualTo(64, row + 1 - handedOn.Count);
        }

        decoding.Flush();
        CollectionAssert.AreEqual(Enumerable.Range(0, Rows).Select(row => (long)row).ToArray(), handedOn);
    }

    private static ImageDataset Load(IDataView data, BadImages? badImages = null, int? channels = 3) =>
        ImageDataset.Load(data, "Image", "Label", new ImageRequest(8, 8, channels), badImages: badImages);

    private static byte[]?[] Images() =>
    [
        .. Enumerable.Range(0, Rows).Select(row =>
            TestImages.Encode(8 + row % 5, 8, (x, y) => new SKColor((byte)row, (byte)(20 * x), (byte)(20 * y)))),
    ];
}
