using SignDigitsSample;

namespace Microsoft.ML.SharpnessAware.Tests.Samples;

/// <summary>A script as Model Builder writes it, with this library's trainer in the place of ML.NET's.</summary>
[TestClass]
public sealed class SignDigitsTests
{
    /// <summary>A date in a name is no number of a picture, and is of nobody else.</summary>
    [TestMethod]
    public void APictureWithoutANumberIsOfAPersonOfItsOwnAndOtherFilesAreNoPictures()
    {
        using var folder = new TemporaryFolder();
        string directory = Directory.CreateDirectory(folder.File("3")).FullName;
        foreach (string name in new[] { "IMG_1118.JPG", "IMG_1119.jpg", "IMG_1120.jpg", "IMG_20240101_123456.jpg", "hand.png", "fist.png",
            "IMG_20240110.jpg", ".DS_Store", "Thumbs.db" })
            File.WriteAllText(Path.Combine(directory, name), name);

        Photograph[] photographs = Photograph.Load(folder.Path);

        CollectionAssert.AreEqual(new[] { 111f, 111, 112, -4, -5, -6, -7 }, photographs.Select(photograph => photograph.Person).ToArray());
        Assert.IsTrue(photographs.All(photograph => photograph.Label == "3"));
    }

    [TestMethod]
    public void AModelBuilderScriptTrainsSavesPredictsAndMeasures()
    {
        using var folder = new TemporaryFolder();
        foreach ((EncodedRow row, int number) in Shapes.Encoded(24).Select((row, number) => (row, number)))
        {
            string directory = Directory.CreateDirectory(Path.Combine(folder.Path, "images", row.Label)).FullName;
            File.WriteAllBytes(Path.Combine(directory, $"{number}.png"), row.Image);
        }

        string images = Path.Combine(folder.Path, "images");
        SignDigits.MLNetModelPath = Path.Combine(folder.Path, "SignDigits.mlnet");
        SignDigits.Train(SignDigits.MLNetModelPath, images);

        var mlContext = new MLContext(seed: 1);
        IDataView data = SignDigits.LoadImageFromFolder(mlContext, images);
        SignDigits.ModelInput input = mlContext.Data.CreateEnumerable<SignDigits.ModelInput>(data, reuseRowObject: false).First();
        SignDigits.ModelOutput output = SignDigits.Predict(input);
        CollectionAssert.Contains(Shapes.Names, output.PredictedLabel);
        CollectionAssert.AreEqual(input.ImageSource, output.ImageSource);
        Assert.AreEqual(1u, output.Label, "the first image is of the first class");

        KeyValuePair<string, float>[] sorted = [.. SignDigits.PredictAllLabels(input)];
        CollectionAssert.AreEquivalent(Shapes.Names, sorted.Select(entry => entry.Key).ToArray());
        Assert.AreEqual(output.PredictedLabel, sorted[0].Key);
        Assert.AreEqual(1, sorted.Sum(entry => entry.Value), 1e-5);

        ITransformer model = mlContext.Model.Load(SignDigits.MLNetModelPath, out _);
        using var disposable = (IDisposable)model;
        Tuple<string, double> importance = SignDigits.CalculatePFI(mlContext, data, model, "Label").Single();
        Assert.AreEqual("ImageSource", importance.Item1);
        double accuracy = SignDigits.Evaluate(mlContext, data, model, "Label").MicroAccuracy;
        Assert.IsLessThanOrEqualTo(accuracy, importance.Item2);
        Assert.AreEqual(accuracy, SignDigits.EvaluateCalibration(mlContext, data, model, "Label").Accuracy);
    }
}
