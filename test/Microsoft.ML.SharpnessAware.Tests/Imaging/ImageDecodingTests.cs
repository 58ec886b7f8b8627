using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using SkiaSharp;
using static Microsoft.ML.SharpnessAware.Tests.TestRows;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class ImageDecodingTests
{
    [TestMethod]
    public void AnImageIsTurnedAsItsFileIsWhereMLNetsLoaderLeavesIt()
    {
        byte[] stored = TestImages.EncodeGrey(32, 8, (x, _) => (byte)(8 * x), SKEncodedImageFormat.Jpeg);
        byte[] file = TestImages.WithOrientation(stored, 6);
        IDataView decoded = Decode(Files(file));
        CollectionAssert.AreEqual(ReadFile(file, 8, 32, channels: 3), ReadFirst(decoded, 8, 32));
        using MLImage theirs = MLImage.CreateFromStream(new MemoryStream(file));
        Assert.AreEqual((32, 8), (theirs.Width, theirs.Height)); // so this is still needed
    }

    [TestMethod]
    public void ATransparentImageIsLaidOverWhite()
    {
        byte[] file = TestImages.Encode(20, 20, (x, y) => new SKColor((byte)(10 * x), (byte)(9 * y), 77, (byte)(12 * x)));
        CollectionAssert.AreEqual(ReadFile(file, 20, 20), ReadFirst(Decode(Files(file)), 20, 20));
    }

    [TestMethod]
    public void HalfAnImageIsAnErrorWithItsRow()
    {
        byte[] file = TestImages.Encode(64, 64, (x, y) => new SKColor((byte)(x * y), (byte)(x ^ y), 3), SKEncodedImageFormat.Jpeg);
        IDataView decoded = Decode(Files(file, [.. file[..(file.Length / 2)], 0xFF, 0xD9]));
        StringAssert.Contains(ErrorOf(decoded), "row 1 (counting from 0): the image is damaged or truncated");
    }

    [TestMethod]
    public void MLNetsOwnTransformsFollow()
    {
        byte[] file = TestImages.WithOrientation(TestImages.Encode(30, 20, (x, y) => new SKColor((byte)(5 * x), (byte)(9 * y), 9),
            SKEncodedImageFormat.Jpeg), 8);
        IDataView data = Files(file);
        float[] pixels = Context.Transforms.DecodeImages("Decoded", "Image")
            .Append(Context.Transforms.ResizeImages("Small", 10, 15, "Decoded", ImageResizingEstimator.ResizingKind.Fill))
            .Append(Context.Transforms.ExtractPixels("Pixels", "Small")).Fit(data).Transform(data).GetColumn<float[]>("Pixels").Single();
        Assert.HasCount(3 * 10 * 15, pixels);
    }

    [TestMethod]
    public void ItIsSavedAndLoadedAndPromisesWhatItGives()
    {
        IDataView data = Files(TestImages.WithOrientation(TestImages.EncodeGrey(32, 8, (x, _) => (byte)(8 * x), SKEncodedImageFormat.Jpeg),
            6));
        IEstimator<ITransformer> estimator = Context.Transforms.DecodeImages("Decoded", "Image");
        ITransformer transformer = estimator.Fit(data);
        SchemaShape promised = estimator.GetOutputSchema(SchemaShape.Create(data.Schema));
        Assert.IsTrue(promised.TryFindColumn("Decoded", out SchemaShape.Column column));
        Assert.IsInstanceOfType<ImageDataViewType>(column.ItemType);
        Assert.IsInstanceOfType<ImageDataViewType>(transformer.GetOutputSchema(data.Schema)["Decoded"].Type);

        using var file = new MemoryStream();
        Context.Model.Save(transformer, data.Schema, file);
        IDataView loaded = new MLContext().Model.Load(file, out _).Transform(data);
        ImageColumn images = ImageColumn.Bind(loaded.Schema, "Decoded", new(8, 32));
        CollectionAssert.AreEqual(ReadFirst(Decode(data), 8, 32), ReadAll<byte>(loaded, images).Images[0]);
    }

    /// <summary>Its file names the assembly in which the decoder was then.</summary>
    [TestMethod]
    public void AFileOfTheTimeBeforeThePackageOfImagesLoads()
    {
        IDataView data = Files(TestImages.EncodeGrey(32, 8, (x, _) => (byte)(8 * x)));
        ITransformer loaded = new MLContext().Model.Load(Path.Combine("Assets", "decoder-version-1.zip"), out _);
        Assert.IsInstanceOfType<ImageDataViewType>(loaded.GetOutputSchema(data.Schema)["Picture"].Type);
    }

    [TestMethod]
    public void AColumnThatHasNoFilesIsRefused()
    {
        IEstimator<ITransformer> estimator = Context.Transforms.DecodeImages("Decoded", "Image");
        IDataView images = MLImages(), other = Context.Transforms.SelectColumns("Label").Fit(images).Transform(images);
        foreach (IDataView data in new[] { images, other })
        {
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => estimator.Fit(data)).Message, "'Image'");
            StringAssert.Contains(
                Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => estimator.GetOutputSchema(SchemaShape.Create(data.Schema)))
                    .Message, "'Image'");
        }
    }

    /// <summary>ML.NET reads pixels on several threads, each of which counts its own rows.</summary>
    [TestMethod]
    public void ABadFileIsNamedWhicheverThreadReadsIt()
    {
        const int Bad = 1500;
        using var folder = new TemporaryFolder();
        byte[] file = TestImages.EncodeGrey(8, 8, (x, _) => (byte)(8 * x));
        Directory.CreateDirectory(folder.File("class"));
        for (int row = 0; row < 2000; row++)
            File.WriteAllBytes(folder.File($"class/{row:D4}.png"), row == Bad ? file[..^20] : file);
        IDataView data = Context.Data.LoadImagesFromFolder(folder.Path);
        IDataView pixels = Context.Transforms.DecodeImages("Image").Append(Context.Transforms.ResizeImages("Image", 8, 8))
            .Append(Context.Transforms.ExtractPixels("Pixels", "Image")).Fit(data).Transform(data);

        string text = Assert.Throws<Exception>(() => pixels.GetColumn<float[]>("Pixels").Count()).ToString();

        Assert.Contains($"row {Bad} (counting from 0)", text);
        Assert.Contains($"{Bad}.png'", text);
    }

    private static IDataView Decode(IDataView files) => Context.Transforms.DecodeImages("Image").Fit(files).Transform(files);
}
