using Microsoft.ML.Data;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Microsoft.ML.SharpnessAware.Tests;

public sealed partial class ScoreOnnxImageClassifierTests
{
    [TestMethod]
    [DataRow(ResizingKind.Fill)]
    [DataRow(ResizingKind.IsoCrop)]
    [DataRow(ResizingKind.IsoPad)]
    public void OddPicturesGetTheSameScoresOrErrorsEachWay(ResizingKind resizing)
    {
        using var folder = new TemporaryFolder();
        using SharpnessAwareImageClassificationTransformer trained = Train(Fitted.View(_mlContext, Shapes.Encoded(30)),
            options => (options.ImageWidth, options.ImageHeight, options.Resizing) = (14, 12, resizing));
        trained.SaveOnnx(folder.File("model.onnx"), new OnnxExportOptions { Resize = true, PixelOrder = OnnxPixelOrder.ChannelsLast });
        using var session = new InferenceSession(folder.File("model.onnx"));
        IDataView good = _mlContext.Data.LoadFromEnumerable(OddPictures.Good
            .Select(picture => new EncodedRow { Label = "across", Image = picture.File, ImagePath = picture.Name }).ToArray());
        IDataView bad = _mlContext.Data.LoadFromEnumerable(OddPictures.Bad
            .Select(picture => new EncodedRow { Label = "across", Image = picture.File, ImagePath = picture.Name }).ToArray());
        using OnnxImageClassifierTransformer model = _mlContext.Transforms.ScoreOnnxImageClassifier(folder.File("model.onnx")).Fit(good);

        (float[][] scores, string[] errors) = ScoresAndErrors(trained.Transform(good));
        Assert.IsEmpty(errors);
        Assert.HasCount(OddPictures.Good.Count, scores);
        AssertSame(scores, ScoresAndErrors(model.Transform(good)).Scores);
        IDataView decoded = _mlContext.Transforms.DecodeImages("Image").Fit(good).Transform(good);
        float[][] ofDecoded = ScoresAndErrors(trained.Transform(decoded)).Scores;
        AssertSame(ofDecoded, ScoresAndErrors(model.Transform(decoded)).Scores);
        for (int i = 0; i < scores.Length; i++)
        {
            float[] resized = ScoresOf(session, OddPictures.Good[i]);
            for (int k = 0; k < 3; k++)
            {
                // A pixel may round the other way where it is turned first, or elsewhere.
                Assert.AreEqual(scores[i][k], ofDecoded[i][k], 1e-3f, OddPictures.Good[i].Name);
                Assert.AreEqual(scores[i][k], resized[k], 1e-3f, OddPictures.Good[i].Name);
            }
        }

        string[] ofTheTrained = ScoresAndErrors(trained.Transform(bad)).Errors;
        Assert.HasCount(OddPictures.Bad.Count, ofTheTrained);
        AreEqual(ofTheTrained, ScoresAndErrors(model.Transform(bad)).Errors);
        for (int i = 0; i < ofTheTrained.Length; i++)
            Assert.Contains($"Column 'Image', row {i} (counting from 0), '{OddPictures.Bad[i].Name}': the ", ofTheTrained[i]);
    }

    /// <summary>As ML.NET decodes them, which is not turned, and of files that are cut off not whole.</summary>
    [TestMethod]
    public void OddMLImagesGetTheSameScoresOrErrorsEachWay()
    {
        using var folder = new TemporaryFolder();
        using SharpnessAwareImageClassificationTransformer trained = Train(Fitted.View(_mlContext, Shapes.Encoded(30)),
            options => options.ImageWidth = 14);
        trained.SaveOnnx(folder.File("model.onnx"));
        byte[] premultiplied = [10, 20, 30, 40, 0, 0, 0, 0, 90, 80, 70, 255, 1, 2, 3, 3], random = new byte[16];
        new Random(1).NextBytes(random);
        List<MLImage> images = [];
        foreach (byte[] pixels in new[] { premultiplied, random, new byte[16] })
        {
            images.Add(MLImage.CreateFromPixels(2, 2, MLPixelFormat.Rgba32, pixels));
            images.Add(MLImage.CreateFromPixels(4, 1, MLPixelFormat.Bgra32, pixels));
        }

        // (A claim of billions of pixels ends the process, in ML.NET.)
        foreach (byte[] file in OddPictures.Good.Select(picture => picture.File)
            .Concat(OddPictures.Bad.Where(picture => !picture.Name.StartsWith("bomb", StringComparison.Ordinal))
                .Select(picture => picture.File)))
        {
            try
            {
                images.Add(MLImage.CreateFromStream(new MemoryStream(file)));
            }
            catch (ArgumentException)
            {
                // which it says of a file that it does not know
            }
        }

        IDataView data = TestRows.MLImages([.. images]);
        using OnnxImageClassifierTransformer model = _mlContext.Transforms.ScoreOnnxImageClassifier(folder.File("model.onnx")).Fit(data);
        (float[][] expected, string[] expectedErrors) = ScoresAndErrors(trained.Transform(data));
        (float[][] actual, string[] errors) = ScoresAndErrors(model.Transform(data));
        AssertSame(expected, actual);
        AreEqual(expectedErrors, errors);
        Assert.IsGreaterThan(OddPictures.Good.Count, expected.Length);
        images.ForEach(image => image.Dispose());
    }

    private static float[] ScoresOf(InferenceSession session, OddPictures.SeenPicture picture)
    {
        int area = picture.Width * picture.Height;
        byte[] planes = new byte[3 * area], pixels = new byte[3 * area];
        new ImageDecoder().Decode(picture.File, new ImageShape(3, picture.Height, picture.Width), planes);
        for (int i = 0; i < pixels.Length; i++)
            pixels[i] = planes[((i % 3) * area) + (i / 3)];
        using var results = session.Run(
            [NamedOnnxValue.CreateFromTensor("Image", new DenseTensor<byte>(pixels, [1, picture.Height, picture.Width, 3]))]);
        return [.. results[0].AsEnumerable<float>()];
    }
}
