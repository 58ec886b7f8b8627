using SignDigitsSample;

namespace Microsoft.ML.SharpnessAware.Tests.Samples;

/// <summary>A script as Model Builder writes it, with this library's trainer in the place of ML.NET's.</summary>
[TestClass]
public sealed class SignDigitsTests
{
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
