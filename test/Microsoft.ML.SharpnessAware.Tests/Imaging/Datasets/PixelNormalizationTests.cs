using Microsoft.ML.SharpnessAware.Tests.Calibration;
using static Microsoft.ML.SharpnessAware.Tests.TestRows;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class PixelNormalizationTests
{
    [TestMethod]
    public void ImageNetIsInTheUnitsOfThePixels()
    {
        using ImageDataset bytes = Load(Pixels([3, 1, 1], Dense<byte>(0, 1, 2)));
        PixelStatistics ofBytes = PixelNormalization.ImageNet.For(bytes);
        AssertNear([123.675, 116.28, 103.53], ofBytes.Mean);
        AssertNear([58.395, 57.12, 57.375], ofBytes.StandardDeviation);

        using ImageDataset unit = Load(Pixels([3, 1, 1], Dense(0f, 0.5f, 1f)));
        PixelStatistics ofUnit = PixelNormalization.ImageNet.For(unit);
        AssertNear([0.485, 0.456, 0.406], ofUnit.Mean);

        using ImageDataset large = Load(Pixels([3, 1, 1], Dense(0f, 0.5f, 1f), Dense(0f, 2f, 200f)));
        PixelStatistics ofLarge = PixelNormalization.ImageNet.For(large);
        AssertNear([123.675, 116.28, 103.53], ofLarge.Mean);
    }

    [TestMethod]
    public void FromDataIsThatOfTheData()
    {
        using ImageDataset data = Load(Pixels([1, 1, 2], Dense(-10f, 30f)));
        PixelStatistics normalization = PixelNormalization.FromData.For(data);
        AssertNear([10], normalization.Mean);
        AssertNear([20], normalization.StandardDeviation);
    }

    [TestMethod]
    public void GivenNumbersMustSuitTheData()
    {
        using ImageDataset grey = Load(Pixels([1, 1, 2], Dense<byte>(10, 30)));
        StringAssert.Contains(ErrorFor(grey), "is for 3 channels, but the images have 1; set ImageChannels to 3");
        using ImageDataset converted = ImageDataset.Load(Pixels([2], Dense<byte>(10, 30)), "Image", "Label", new(2, 1, 3));
        AssertNear([123.675, 116.28, 103.53], PixelNormalization.ImageNet.For(converted).Mean);
        using ImageDataset withAFourth = Load(Pixels([4, 1, 1], Dense<byte>(10, 30, 50, 70)));
        StringAssert.Contains(ErrorFor(withAFourth),
            "is for 3 channels, but the images have 4; give numbers for 4 channels, or normalise from the data.");
        using ImageDataset standardized = Load(Pixels([3, 1, 1], Dense(-1f, 0f, 1f)));
        StringAssert.Contains(ErrorFor(standardized), "run from -1 to 1");

        static string ErrorFor(ImageDataset data) =>
            Assert.ThrowsExactly<InvalidOperationException>(() => PixelNormalization.ImageNet.For(data)).Message;
    }

    [TestMethod]
    public void NumbersThatCannotNormaliseAreRefused()
    {
        Assert.AreEqual("mean", Assert.ThrowsExactly<ArgumentException>(() => PixelNormalization.Of([], [])).ParamName);
        Assert.AreEqual("mean", Assert.ThrowsExactly<ArgumentException>(() => PixelNormalization.Of([0.5, 0.5], [0.5])).ParamName);
        Assert.AreEqual("mean", Assert.ThrowsExactly<ArgumentException>(() => PixelNormalization.Of([double.NaN], [0.5])).ParamName);
        Assert.AreEqual("standardDeviation", Assert.ThrowsExactly<ArgumentException>(() => PixelNormalization.Of([0.5], [0])).ParamName);
    }

    [TestMethod]
    public void TextSaysWhereTheNumbersComeFrom()
    {
        using var culture = new CultureScope("de-DE");
        Assert.AreEqual("from the data", PixelNormalization.FromData.ToString());
        Assert.AreEqual("ImageNet", PixelNormalization.ImageNet.ToString());
        Assert.AreEqual("mean (0.5), standard deviation (0.25)", PixelNormalization.Of([0.5], [0.25]).ToString());
    }

    [TestMethod]
    public void CheckpointsKnowItByTheNamesThatTheyHaveWritten()
    {
        IEnumerable<string> fields =
            FieldContent.Of("Normalization", PixelNormalization.Of([0.5], [0.25])).Select(field => $"{field.Name} {field.Value}");
        string[] written =
        [
            "Normalization PixelNormalization", "Normalization._mean [0.5]",
            "Normalization._name 'mean (0.5), standard deviation (0.25)'", "Normalization._standardDeviation [0.25]",
        ];
        CollectionAssert.AreEqual(written, fields.Order(StringComparer.Ordinal).ToArray());
    }

    private static ImageDataset Load(IDataView view) => ImageDataset.Load(view, "Image", "Label", new());

    private static void AssertNear(double[] expected, IReadOnlyList<double> actual)
    {
        Assert.HasCount(expected.Length, actual);
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], 1e-9);
    }
}
