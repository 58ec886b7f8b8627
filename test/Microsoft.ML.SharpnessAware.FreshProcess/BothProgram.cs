using CalibrateText;
using Microsoft.ML.Data;
using Microsoft.ML.TorchSharp;
using TorchSharp;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Microsoft.ML.TorchSharp's text classifier, whose encoder is random here, and this library's trainer on one
/// TorchSharp.</summary>
internal static class BothProgram
{
    private const int TrainingRows = 32, OtherRows = 16;

    public static void Run(string folder)
    {
        torch.set_num_threads(1);
        var mlContext = new MLContext(seed: 1) { TempFilePath = folder };
        RandomEncoder.Write(folder);
        IDataView images = Fitted.View(mlContext, Shapes.Pixels(36));
        using SharpnessAwareImageClassificationTransformer before = Fitted.Model(mlContext, images);
        float[][] expected = Fitted.Scores(mlContext, before.Transform(images));

        IDataView texts = Fitted.View(mlContext, Requests.Draw(TrainingRows + OtherRows, seed: 1));
        IDataView others = mlContext.Data.SkipRows(texts, TrainingRows);
        ITransformer classifier = mlContext.MulticlassClassification.Trainers
            .TextClassification(sentence1ColumnName: "Text", batchSize: 16, maxEpochs: 1).Fit(mlContext.Data.TakeRows(texts, TrainingRows));
        IDataView scored = mlContext.Data.Cache(classifier.Transform(others), "Label", "Score", "PredictedLabel");
        ITransformer calibrator = mlContext.MulticlassClassification.Calibrators.Temperature(scoreKind: ScoreKind.Logits).Fit(scored);
        IDataView calibrated = calibrator.Transform(scored);
        ITransformer sets = mlContext.MulticlassClassification.Decisions.PredictionSets(coverage: 0.8).Fit(calibrated);
        float[][] probabilities = [.. calibrated.GetColumn<float[]>("Score")];
        Console.WriteLine($"rows {probabilities.Length}");
        Console.WriteLine($"sums {probabilities.All(row => Math.Abs(row.Sum() - 1) < 1e-5)}");
        Console.WriteLine(
            $"order {scored.GetColumn<float[]>("Score").Zip(probabilities).All(row => Largest(row.First) == Largest(row.Second))}");
        Console.WriteLine($"labels {scored.GetColumn<uint>("PredictedLabel").SequenceEqual(calibrated.GetColumn<uint>("PredictedLabel"))}");

        // The text trainer seeds torch's own generator in each epoch; ours has its own.
        using SharpnessAwareImageClassificationTransformer after = Fitted.Model(mlContext, images);
        Console.WriteLine($"images {Same(expected, Fitted.Scores(mlContext, after.Transform(images)))}");
        Console.WriteLine($"alive {Same(expected, Fitted.Scores(mlContext, before.Transform(images)))}");

        string textPath = Path.Combine(folder, "text.zip"), imagePath = Path.Combine(folder, "images.zip");
        mlContext.Model.Save(classifier.Append(calibrator).Append(sets), texts.Schema, textPath);
        mlContext.Model.Save(after, images.Schema, imagePath);
        var fresh = new MLContext { TempFilePath = folder };
        IDataView answered = fresh.Model.Load(textPath, out _).Transform(others);
        Console.WriteLine($"loaded text {Same(probabilities, [.. answered.GetColumn<float[]>("Score")])}");
        Console.WriteLine($"sets {answered.GetColumn<int>("PredictionSetSize").All(size => size is >= 0 and <= 3)}");
        using var image = (IDisposable)fresh.Model.Load(imagePath, out _);
        Console.WriteLine($"loaded images {Same(expected, Fitted.Scores(fresh, ((ITransformer)image).Transform(images)))}");
    }

    private static int Largest(float[] row) => Array.IndexOf(row, row.Max());

    private static bool Same(float[][] one, float[][] other) =>
        one.Length == other.Length && one.Zip(other).All(row => row.First.AsSpan().SequenceEqual(row.Second));
}
