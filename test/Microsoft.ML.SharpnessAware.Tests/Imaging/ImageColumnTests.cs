using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using static Microsoft.ML.SharpnessAware.Tests.TestRows;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class ImageColumnTests
{
    [TestMethod]
    public void EncodedImagesDefaultTo64By64AndLeaveTheChannelsToTheFirstImage()
    {
        ImageColumn column = Bind(Files());
        Assert.IsNull(column.Shape);
        Assert.AreEqual(PixelType.Byte, column.PixelType);
        (ImageShape shape, _) = ReadAll<byte>(Files(TestImages.EncodeGrey(3, 3, (_, _) => 7)), column);
        Assert.AreEqual(new ImageShape(1, 64, 64), shape);
        Assert.AreEqual(new ImageShape(3, 20, 10), Bind(Files(), new(10, 20, 3)).Shape);
        Assert.AreEqual(new ImageShape(3, 96, 96), Bind(Files(), new(width: 96, channels: 3)).Shape);
    }

    [TestMethod]
    public void MLImagesTakeTheirTypesSizeUnlessAnotherIsRequested()
    {
        DataViewSchema anySize = SchemaOf(new ImageDataViewType()).Schema;
        Assert.AreEqual(new ImageShape(3, 64, 64), ImageColumn.Bind(anySize, "Image", new()).Shape);
        Assert.AreEqual(new ImageShape(3, 2, 5), Bind(MLImages()).Shape);
        Assert.AreEqual(new ImageShape(1, 2, 9), Bind(MLImages(), new(width: 9, channels: 1)).Shape);
    }

    [TestMethod]
    [DataRow(new[] { 3, 4, 5 }, 3, 4, 5)]
    [DataRow(new[] { 6, 5, 3 }, 3, 6, 5)]
    [DataRow(new[] { 1, 4, 5 }, 1, 4, 5)]
    [DataRow(new[] { 5, 6, 4 }, 4, 5, 6)]
    [DataRow(new[] { 3, 8, 3 }, 3, 8, 3)]
    [DataRow(new[] { 4, 5 }, 1, 4, 5)]
    public void DimensionsOfAPixelVectorTellTheShape(int[] dimensions, int channels, int height, int width)
    {
        Assert.AreEqual(new ImageShape(channels, height, width), Bind(Pixels<byte>(dimensions)).Shape);
        Assert.AreEqual(PixelType.Float32, Bind(Pixels<float>(dimensions)).PixelType);
    }

    [TestMethod]
    public void RequestedChannelsDecideBetweenFirstAndLast()
    {
        Assert.AreEqual(new ImageShape(2, 8, 9), Bind(Pixels<byte>([8, 9, 2]), new(channels: 2)).Shape);
        Assert.AreEqual(new ImageShape(4, 3, 9), Bind(Pixels<byte>([3, 9, 4]), new(channels: 4)).Shape);
        StringAssert.Contains(BindError(Pixels<byte>([6, 8, 9])),
            "give a vector of one dimension, of 432 values, with the channels one after the other, and set ImageWidth and ImageHeight");
        Assert.AreEqual(new ImageShape(6, 8, 9), Bind(Pixels<byte>([432]), new(9, 8)).Shape);
    }

    [TestMethod]
    public void AFlatVectorNeedsTheSizeOfItsImages()
    {
        Assert.AreEqual(new ImageShape(3, 2, 5), Bind(Pixels<float>([30]), new(5, 2)).Shape);
        StringAssert.Contains(BindError(Pixels<float>([30])), "set ImageWidth and ImageHeight");
        StringAssert.Contains(BindError(Pixels<float>([30]), new(5, 2, 4)), "30 values, but 4 channels × 2 rows × 5 columns are 40");
        StringAssert.Contains(BindError(Pixels<float>([35]), new(5, 2, 1)), "35 values, but 3 channels × 2 rows × 5 columns are 30");
        StringAssert.Contains(BindError(Pixels<float>([30]), new(7, 2)), "30 values");
    }

    [TestMethod]
    [DataRow(new[] { 512 })]
    [DataRow(new[] { 1, 2048 })]
    [DataRow(new[] { 2048, 1 })]
    [DataRow(new[] { 512, 1, 1 })]
    [DataRow(new[] { 1, 1, 2048 })]
    public void TheFeaturesOfANetworkAreNoImage(int[] dimensions)
    {
        string message = BindError(Pixels<float>(dimensions));
        StringAssert.Contains(message, $"a vector of {string.Join(" × ", dimensions)} values does not tell the shape of an image");
        StringAssert.Contains(message, "set ImageWidth and ImageHeight");
        StringAssert.Contains(message, "features of a network and not pixels, name the column of images");
        StringAssert.Contains(message, "LbfgsMaximumEntropy");
        Assert.DoesNotContain("LbfgsMaximumEntropy", BindError(Pixels<byte>(dimensions)), "no features are bytes");
    }

    /// <summary>A spectrum, for example: its model asks for it in that shape again.</summary>
    [TestMethod]
    public void AnImageOfOneRowIsTakenWhereItsSizeIsSaid()
    {
        Assert.AreEqual(new ImageShape(1, 1, 2048), Bind(Pixels<float>([1, 2048]), new(2048, 1)).Shape);
        Assert.AreEqual(new ImageShape(1, 2048, 1), Bind(Pixels<float>([2048, 1]), new(1, 2048)).Shape);
        Assert.AreEqual(new ImageShape(1, 1, 2048), Bind(Pixels<float>([1, 1, 2048]), new(2048, 1)).Shape);
        Assert.AreEqual(new ImageShape(1, 32, 64), Bind(Pixels<float>([1, 2048]), new(64, 32)).Shape, "as the message advises");
        Assert.AreEqual(new ImageShape(3, 32, 32), Bind(Pixels<float>([3072, 1, 1]), new(32, 32)).Shape);
        StringAssert.Contains(BindError(Pixels<float>([1, 2048]), new(64, 33)), "the vector has 2048 values");
    }

    /// <summary>Nobody sees the colours of vectors, and pixel by pixel is as usual.</summary>
    [TestMethod]
    public void HowAFlatVectorIsReadIsSaid()
    {
        string? assumption = Bind(Pixels<byte>([30]), new(5, 2)).LayoutAssumed;
        StringAssert.Contains(assumption, "'Image'");
        StringAssert.Contains(assumption, "all red, then green, then blue");
        StringAssert.Contains(assumption, "[VectorType(2, 5, 3)]");
        StringAssert.Contains(Bind(Pixels<float>([40]), new(5, 2)).LayoutAssumed, "4 planes");
        StringAssert.Contains(Bind(Pixels<float>([30]), new(5, 2, 1)).LayoutAssumed, "3 planes", "though they become grey");
        Assert.IsNull(Bind(Pixels<float>([10]), new(5, 2, 3)).LayoutAssumed);
        Assert.IsNull(Bind(Pixels<byte>([2, 5, 3])).LayoutAssumed);
        Assert.IsNull(Bind(Files()).LayoutAssumed);
    }

    /// <summary>As vectors of three dimensions are.</summary>
    [TestMethod]
    public void AFlatVectorIsConvertedBetweenGreyAndColour()
    {
        IDataView grey = Pixels([2], Dense<byte>(10, 200)), colour = Pixels([6], Dense<byte>(255, 0, 255, 0, 255, 0));
        CollectionAssert.AreEqual(new byte[] { 10, 200, 10, 200, 10, 200 }, ReadFirst(grey, 2, 1, channels: 3));
        CollectionAssert.AreEqual(new byte[] { 255, 0 }, ReadFirst(colour, 2, 1, channels: 1));
        CollectionAssert.AreEqual(ReadFirst(Pixels([3, 1, 2], Dense<byte>(255, 0, 255, 0, 9, 0)), channels: 1),
            ReadFirst(Pixels([6], Dense<byte>(255, 0, 255, 0, 9, 0)), 2, 1, channels: 1));
    }

    [TestMethod]
    public void PixelVectorsAreNeitherResizedNorGivenOtherChannelsThanGreyAndColour()
    {
        StringAssert.Contains(BindError(Pixels<byte>([1, 4, 5]), new(width: 6)), "are 5 × 4 (width × height), asked for were 6 × 4");
        StringAssert.Contains(BindError(Pixels<byte>([4, 5, 5]), new(channels: 1)), "4 channels and cannot be converted to 1");
        StringAssert.Contains(BindError(Pixels<byte>([2, 3, 4, 5])), "two or three dimensions");
    }

    [TestMethod]
    public void PixelVectorsWhoseSidesNoModelCanHaveAreRefusedWithTheirShape()
    {
        string message = BindError(Pixels<float>([1, 12, 10_000]));
        StringAssert.Contains(message, "'Image'");
        StringAssert.Contains(message, "10000 × 12");
        StringAssert.Contains(message, "8192");
        BindError(Pixels<byte>([8193, 2, 3]));
        Assert.AreEqual(new ImageShape(1, 8192, 2), Bind(Pixels<byte>([8192, 2])).Shape);
    }

    [TestMethod]
    public void ImagesHaveOneOrThreeChannels()
    {
        StringAssert.Contains(BindError(Files(), new(channels: 4)), "not 4");
        StringAssert.Contains(BindError(MLImages(), new(channels: 2)), "not 2");
    }

    [TestMethod]
    public void RequestsOutOfRangeAreRefused()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new ImageRequest(width: 0));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new ImageRequest(height: 8193));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new ImageRequest(channels: 0));
    }

    [TestMethod]
    public void AMissingColumnIsNamed() =>
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => ImageColumn.Bind(Files().Schema, "Photo", new())).Message, "'Photo'");

    [TestMethod]
    public void WrongTypesAreRefusedAlikeInASchemaAndInASchemaShape()
    {
        DataViewType[] wrong =
        [
            TextDataViewType.Instance, NumberDataViewType.Single, NumberDataViewType.Byte, new KeyDataViewType(typeof(uint), 3),
            new VectorDataViewType(NumberDataViewType.Single), new VectorDataViewType(NumberDataViewType.Double, 4),
            new VectorDataViewType(TextDataViewType.Instance, 4), new VectorDataViewType(new KeyDataViewType(typeof(byte), 3), 4),
        ];
        DataViewType[] right =
        [
            new VectorDataViewType(NumberDataViewType.Byte), new VectorDataViewType(NumberDataViewType.Byte, 1, 2, 2),
            new VectorDataViewType(NumberDataViewType.Single, 1, 2, 2), new ImageDataViewType(),
        ];
        foreach (DataViewType type in wrong)
        {
            (DataViewSchema schema, SchemaShape.Column column) = SchemaOf(type);
            string[] messages =
            [
                Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => ImageColumn.Bind(schema, "Image", new()), type.ToString()).Message,
                Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => ImageColumn.Check(column), type.ToString()).Message,
            ];
            foreach (string message in messages)
            {
                StringAssert.Contains(message, "'Image'");
                StringAssert.Contains(message, "(a) a variable-size vector of Byte");
                Assert.AreEqual(type is TextDataViewType, message.Contains("If the text is the path", StringComparison.Ordinal), message);
            }
        }

        foreach (DataViewType type in right)
        {
            (DataViewSchema schema, SchemaShape.Column column) = SchemaOf(type);
            ImageColumn.Check(column);
            ImageColumn.Bind(schema, "Image", new());
        }
    }

    [TestMethod]
    public void AModelRefusesPixelsOfAnotherTypeButConvertsGreyAndColour()
    {
        var shape = new ImageShape(3, 4, 5);
        Assert.AreEqual(shape, ImageColumn.Bind(Files().Schema, "Image", shape, PixelType.Byte, ResizingKind.Fill).Shape);
        Assert.AreEqual(shape, ImageColumn.Bind(Pixels<byte>([1, 4, 5]).Schema, "Image", shape, PixelType.Byte, ResizingKind.Fill).Shape);
        string message = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => ImageColumn.Bind(Pixels<float>([3, 4, 5]).Schema, "Image", shape, PixelType.Byte, ResizingKind.Fill)).Message;
        StringAssert.Contains(message, "trained on bytes, this column holds float pixels");
    }

    [TestMethod]
    public void ThePathIsAmongTheColumnsOnlyWhereItIsText()
    {
        CollectionAssert.AreEqual(new[] { "Image", "ImagePath" }, Bind(Files()).Columns.Select(column => column.Name).ToArray());
        CollectionAssert.AreEqual(new[] { "Image" }, Bind(MLImages()).Columns.Select(column => column.Name).ToArray());
    }

    /// <summary>Model Builder of 2020 has ImageSource, ML.NET's samples ImageFileName.</summary>
    [TestMethod]
    [DataRow("ImagePath", "ImagePath")]
    [DataRow("ImageSource", "ImageSource")]
    [DataRow("ImageFileName", "ImageFileName")]
    [DataRow("file_path", "file_path")]
    [DataRow("Camera FilePath", "FilePath")]
    [DataRow("ImagePath FilePath", "ImagePath")]
    [DataRow("FilePath ImageSource", null)]
    [DataRow("Pathology", null)]
    [DataRow("", null)]
    public void ThePathIsTheOneTextThatIsNamedLikeIt(string texts, string? expected)
    {
        var builder = new DataViewSchema.Builder();
        builder.AddColumn("Image", new VectorDataViewType(NumberDataViewType.Byte));
        builder.AddColumn("NumberOfPath", NumberDataViewType.Single);
        foreach (string name in texts.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            builder.AddColumn(name, NumberDataViewType.Single);     // hidden by the next
            builder.AddColumn(name, TextDataViewType.Instance);
        }

        ImageColumn column = ImageColumn.Bind(builder.ToSchema(), "Image", new());
        CollectionAssert.AreEqual(expected is null ? new[] { "Image" } : ["Image", expected],
            column.Columns.Select(each => each.Name).ToArray());
    }

    private static ImageColumn Bind(IDataView data, ImageRequest? request = null) =>
        ImageColumn.Bind(data.Schema, "Image", request ?? new());

    private static string BindError(IDataView data, ImageRequest? request = null) =>
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Bind(data, request)).Message;

    private static (DataViewSchema Schema, SchemaShape.Column Column) SchemaOf(DataViewType type)
    {
        var builder = new DataViewSchema.Builder();
        builder.AddColumn("Image", type);
        DataViewSchema schema = builder.ToSchema();
        return (schema, SchemaShape.Create(schema).Single());
    }
}
