using Microsoft.ML.Data;
using static Microsoft.ML.SharpnessAware.Tests.TestRows;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class PixelVectorTests
{
    [TestMethod]
    public void ChannelsFirstIsReadAsItIs()
    {
        CollectionAssert.AreEqual(Count(12), Read<byte>([3, 2, 2], Dense(Count(12))));
        float[] floats = [-1.5f, 0, 1e6f, 3];
        CollectionAssert.AreEqual(floats, Read<float>([1, 2, 2], Dense(floats)));
        CollectionAssert.AreEqual(floats, Read<float>([4], Dense(floats), new(2, 2)));
    }

    [TestMethod]
    public void ChannelsLastIsTurnedIntoPlanes() =>
        CollectionAssert.AreEqual(new byte[] { 0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11 }, Read<byte>([2, 2, 3], Dense(Count(12))));

    [TestMethod]
    public void SparseVectorsAreReadAsDenseAndLeaveNothingBehind()
    {
        var sparse = new VBuffer<float>(4, 1, [7f], [2]);
        IDataView data = Pixels([1, 2, 2], Dense(1f, 2, 3, 4), sparse, Dense(5f, 6, 7, 8));
        float[][] images = ReadAll<float>(data, ImageColumn.Bind(data.Schema, "Image", new())).Images;
        CollectionAssert.AreEqual(new float[] { 0, 0, 7, 0 }, images[1]);
        CollectionAssert.AreEqual(new float[] { 5, 6, 7, 8 }, images[2]);

        var sparseBytes = new VBuffer<byte>(12, 2, [7, 9], [2, 5]);
        CollectionAssert.AreEqual(new byte[] { 0, 0, 0, 0, 0, 0, 0, 0, 7, 9, 0, 0 }, Read<byte>([2, 2, 3], sparseBytes));
    }

    [TestMethod]
    public void GreyAndColourAreConvertedInEitherLayout()
    {
        CollectionAssert.AreEqual(new byte[] { 1, 2, 1, 2, 1, 2 }, Read<byte>([1, 1, 2], Dense<byte>(1, 2), new(channels: 3)));
        CollectionAssert.AreEqual(new byte[] { 1, 2, 1, 2, 1, 2 }, Read<byte>([1, 2, 1], Dense<byte>(1, 2), new(channels: 3)));
        CollectionAssert.AreEqual(new byte[] { 76, 150 }, Read<byte>([3, 1, 2], Dense<byte>(255, 0, 0, 255, 0, 0), new(channels: 1)));
        CollectionAssert.AreEqual(new byte[] { 76, 150 }, Read<byte>([2, 1, 3], Dense<byte>(255, 0, 0, 0, 255, 0), new(channels: 1)));
        CollectionAssert.AreEqual(new[] { -0.299f, 0.587f }, Read<float>([3, 1, 2], Dense(-1f, 0, 0, 1, 0, 0), new(channels: 1)));
    }

    [TestMethod]
    [DataRow(float.NaN)]
    [DataRow(float.PositiveInfinity)]
    [DataRow(float.NegativeInfinity)]
    public void PixelsThatAreNotFiniteAreAnError(float value)
    {
        string message = ErrorOf(Pixels([1, 2, 2], Dense(1f, 2, 3, 4), Dense(1f, 2, value, 4)));
        StringAssert.Contains(message, "Column 'Image', row 1 (counting from 0): pixel value 2 is ");
    }

    [TestMethod]
    public void AVectorOfAnotherLengthThanItsTypeIsAnError() =>
        StringAssert.Contains(ErrorOf(Pixels([1, 2, 2], Dense(1f, 2, 3))), "row 0 (counting from 0)");

    private static byte[] Count(int count) => [.. Enumerable.Range(0, count).Select(i => (byte)i)];

    private static T[] Read<T>(int[] dimensions, VBuffer<T> image, ImageRequest? request = null)
        where T : unmanaged
    {
        IDataView data = Pixels(dimensions, image);
        return ReadAll<T>(data, ImageColumn.Bind(data.Schema, "Image", request ?? new())).Images[0];
    }
}
