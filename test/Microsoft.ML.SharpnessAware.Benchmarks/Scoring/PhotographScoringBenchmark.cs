using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>JPEG files scored by MLSharpness.Onnx: the whole of Transform, decoding with it, against decoding alone.</summary>
internal static class PhotographScoringBenchmark
{
    private const int Count = 200;

    private static readonly TimeSpan TimeOfEach = TimeSpan.FromSeconds(10);

    public static void Run()
    {
        Table table = new("Milliseconds an image", "Transform", "Decoding alone");
        foreach ((int width, int height) in new[] { (100, 100), (640, 480) })
        {
            using Photographs photographs = new(Count, width, height);
            MLContext mlContext = new(seed: 1);
            IDataView images = mlContext.Data.LoadImagesFromFolder(photographs.Folder);
            string path = Path.Combine(photographs.Folder, "model.onnx");
            using (var trained = mlContext.Transforms.Conversion.MapValueToKey("Label").Append(
                mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(new()
                {
                    FeatureColumnName = "Image",
                    Arch = NetworkArchitecture.ResNet8,
                    Epoch = 1,
                    ImageWidth = 48,
                    ImageHeight = 48,
                    ValidationSetFraction = 0,
                })).Fit(images))
                trained.SaveOnnx(path);
            using OnnxImageClassifierTransformer model = mlContext.Transforms.ScoreOnnxImageClassifier(path, "Image").Fit(images);
            IDataView scored = model.Transform(images);
            byte[][] files =
                [.. Directory.EnumerateFiles(photographs.Folder, "*.jpg", SearchOption.AllDirectories).Select(File.ReadAllBytes)];
            ImageDecoder decoder = new();
            ImageShape shape = new(3, 48, 48);
            byte[] planes = new byte[shape.ValueCount];

            double transform = SideBySide.MedianMilliseconds(() => Consume(scored), TimeOfEach) / files.Length;
            double decoding = SideBySide.MedianMilliseconds(
                () => Array.ForEach(files, file => decoder.Decode(file, shape, planes)), TimeOfEach) / files.Length;
            table.Add($"resnet8, JPEG {width}×{height} to 48×48", $"{transform:F2}", $"{decoding:F2}");
        }
    }

    private static void Consume(IDataView scored)
    {
        foreach (float[] _ in scored.GetColumn<float[]>("Score"))
        {
        }
    }
}
