using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>Transform of 10,000 rows against raw batched forward passes of the same pixels, and against one row at a time.</summary>
internal static class ScoringBenchmark
{
    private const int Rows = 10_000;

    public static void Run(int rounds = 9)
    {
        Table table = new("10,000 rows", "Transform, ms", "Raw passes, ms", "Transform / raw", "Row by row / Transform");
        foreach (string architecture in new[] { NetworkArchitecture.ResNet8, NetworkArchitecture.ResNet20 })
        {
            (SideBySide raw, double perRow) = Compare(architecture, Rows, rounds);
            table.Add($"{architecture}, 1×28×28", $"{raw.OursMilliseconds.Median:F0}", $"{raw.TheirsMilliseconds.Median:F0}",
                raw.Ratio.Text(),
                $"{perRow * Rows / raw.OursMilliseconds.Median:F1}");
        }
    }

    /// <summary>Both batched ways, and the milliseconds that a row takes by itself.</summary>
    public static (SideBySide Batched, double MillisecondsPerRow) Compare(string architecture, int rows, int rounds)
    {
        ImageShape shape = new(1, 28, 28);
        MLContext mlContext = new(seed: 1);
        using var model = mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(new()
        {
            FeatureColumnName = "Image",
            Arch = architecture,
            Epoch = 1,
        }).Fit(PixelImages.View(mlContext, 256, shape));
        IDataView view = PixelImages.View(mlContext, rows, shape);
        IDataView scored = model.Transform(view);
        using ImageDataset pixels = ImageDataset.Load(view, "Image", "Label", new ImageRequest(null, null));
        SideBySide batched = SideBySide.Run(() => VectorColumn.Read(scored, "Score"), () => Raw(model.Classifier, pixels), rounds);

        PredictionEngine<PixelImages.Row, Scored> engine = mlContext.Model.CreatePredictionEngine<PixelImages.Row,
            Scored>(model, view.Schema);
        PixelImages.Row[] some = PixelImages.Rows(500, shape, 10);
        double perRow = SideBySide.MedianMilliseconds(() => Array.ForEach(some, row => engine.Predict(row)), count: 3) / some.Length;
        return (batched, perRow);
    }

    private static void Raw(ImageClassifier classifier, ImageDataset pixels)
    {
        using IDisposable inference = inference_mode();
        for (long start = 0; start < pixels.Count; start += classifier.BatchSize)
        {
            using DisposeScope scope = NewDisposeScope();
            classifier.Network.call(classifier.Prepare(pixels.Batch(start, Math.Min(classifier.BatchSize, pixels.Count - start))));
        }
    }

    private sealed class Scored
    {
        public float[] Score { get; set; } = [];
    }
}
