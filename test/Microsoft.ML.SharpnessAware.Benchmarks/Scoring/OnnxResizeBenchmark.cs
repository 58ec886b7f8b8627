using Microsoft.ML.Data;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>
/// How far the probabilities of a file saved with Resize, which is given pictures decoded whole, are from those of Transform, which decodes
/// large JPEGs at a reduced size.
/// </summary>
internal static class OnnxResizeBenchmark
{
    // A network that has learnt more makes more of small differences.
    private static readonly (int Side, int Epochs)[] Settings = [(11, 3), (16, 3), (32, 3), (11, 8), (16, 8), (32, 8)];

    /// <param name="folder">Pictures, with a sub-folder for each class: two thirds are trained on, the others compared.</param>
    public static void Run(string folder)
    {
        MLContext mlContext = new(seed: 1);
        IDataView pictures = mlContext.Data.ShuffleRows(mlContext.Data.LoadImagesFromFolder(folder), seed: 1);
        int rows = pictures.GetColumn<string>("Label").Count();
        IDataView training = mlContext.Data.TakeRows(pictures, rows * 2 / 3), others = mlContext.Data.SkipRows(pictures, rows * 2 / 3);
        Table table = new("Differences of Score", "Pictures", "Median", "90 %", "99 %", "Largest");
        foreach ((int side, int epochs) in Settings)
        {
            using var model = mlContext.Transforms.Conversion.MapValueToKey("Label").Append(
                mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(new()
                {
                    FeatureColumnName = "Image",
                    Arch = NetworkArchitecture.ResNet8,
                    Epoch = epochs,
                    ImageWidth = side,
                    ImageHeight = side,
                })).Fit(training);
            double[] differences = [.. Differences(model, others).Order()];
            table.Add([$"ResNet-8, {side}×{side}, {epochs} epochs", $"{differences.Length}", .. new[] { 0.5, 0.9, 0.99, 1 }
                .Select(share => $"{differences[(int)Math.Ceiling(share * differences.Length) - 1]:G2}")]);
        }
    }

    private static IEnumerable<double> Differences(ITransformer model, IDataView pictures)
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".onnx");
        try
        {
            model.SaveOnnx(path, new OnnxExportOptions { Resize = true });
            using InferenceSession session = new(path);
            ImageDecoder decoder = new();
            foreach ((byte[] file, float[] expected) in pictures.GetColumn<byte[]>("Image")
                .Zip(model.Transform(pictures).GetColumn<float[]>("Score")))
            {
                (int width, int height) = ImageDecoder.ReadSize(file);
                (byte[] planes, _) = decoder.Decode(file, height, width, 3, ResizingKind.Fill);
                using var results = session.Run(
                    [NamedOnnxValue.CreateFromTensor("Image", new DenseTensor<byte>(planes, [1, 3, height, width]))]);
                yield return results[0].AsEnumerable<float>().Zip(expected, (actual, score) => Math.Abs(actual - score)).Max();
            }
        }
        finally
        {
            File.Delete(path);
        }
    }
}
