using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>
/// A trained model scored by libtorch and, saved as ONNX in float32 and in Int8, by MLSharpness.Onnx: many rows by Transform and single
/// ones by a prediction engine. Each is timed in processes of its own, in turns, since the waiting threads of both in one process disturb
/// each other. Rounds go on for a minute, so that a slow network has fewer of them.
/// </summary>
internal static class OnnxBenchmark
{
    private const int Classes = 10;
    private const int LeastRounds = 3;

    private static readonly TimeSpan RoundsTime = TimeSpan.FromSeconds(60), TimeOfEach = TimeSpan.FromSeconds(1.5);

    // As many rows as are scored in some tenths of a second, but more than one full batch after the first, which are of 1, 2, 4, … rows.
    private static readonly (string Architecture, ImageShape Shape, int Rows)[] Settings =
    [
        (NetworkArchitecture.ResNet8, new(3, 32, 32), 2000),
        (NetworkArchitecture.ResNet20, new(3, 32, 32), 600),
        (NetworkArchitecture.VitTiny, new(3, 64, 64), 23),
        (NetworkArchitecture.ResNet18, new(3, 224, 224), 23),
    ];

    public static void Run(string? only)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("onnx-benchmark");
        try
        {
            Table table = new("Milliseconds an image", "Batches, libtorch", "ONNX Runtime", "Ratio", "Int8", "Ratio",
                "Single, libtorch", "ONNX Runtime", "Ratio", "Int8", "Ratio");
            foreach (int setting in Enumerable.Range(0, Settings.Length))
            {
                (string architecture, ImageShape shape, _) = Settings[setting];
                if (only is not null && only != architecture)
                    continue;
                Save(architecture, shape, folder);
                List<double[]> torch = [], onnx = [], int8 = [];
                long start = Stopwatch.GetTimestamp();
                while (torch.Count < LeastRounds || Stopwatch.GetElapsedTime(start) < RoundsTime)
                {
                    torch.Add(Child("torch", setting, folder));
                    onnx.Add(Child("onnx", setting, folder));
                    int8.Add(Child("int8", setting, folder));
                }

                table.Add([$"{architecture}, {shape.Channels}×{shape.Height}×{shape.Width}", .. Compare(torch, onnx, 0),
                    .. Compare(torch, int8, 0)[1..], .. Compare(torch, onnx, 1), .. Compare(torch, int8, 1)[1..]]);
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Times one of the two in this process, and writes the milliseconds of an image in batches and alone.</summary>
    public static void RunChild(string kind, int setting, string folder)
    {
        AllocatorTuning.KeepFreedMemory();
        (_, ImageShape shape, int rows) = Settings[setting];
        MLContext mlContext = new(seed: 1);
        IDataView view = PixelImages.View(mlContext, rows, shape, Classes);
        ITransformer model = kind == "torch"
            ? mlContext.Model.Load(Path.Combine(folder, "model.zip"), out _)
            : mlContext.Transforms.ScoreOnnxImageClassifier(Path.Combine(folder, $"{kind}.onnx"), "Image").Fit(view);
        IDataView scored = model.Transform(view);
        double batches = SideBySide.MedianMilliseconds(() => VectorColumn.Read(scored, "Score"), TimeOfEach) / rows;

        PredictionEngine<PixelImages.Row, Scored> engine = mlContext.Model.CreatePredictionEngine<PixelImages.Row, Scored>(
            model, view.Schema);
        PixelImages.Row[] some = PixelImages.Rows(Math.Max(rows / 10, 1), shape, Classes);
        double single = SideBySide.MedianMilliseconds(() => Array.ForEach(some, row => engine.Predict(row)), TimeOfEach) / some.Length;
        Console.WriteLine(FormattableString.Invariant($"{batches:R} {single:R}"));
    }

    private static void Save(string architecture, ImageShape shape, DirectoryInfo folder)
    {
        MLContext mlContext = new(seed: 1);
        IDataView view = PixelImages.View(mlContext, 20, shape, Classes);
        using var model = mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(new()
        {
            FeatureColumnName = "Image",
            Arch = architecture,
            Epoch = 1,
            BatchSize = 4,
            ValidationSetFraction = 0,
        }).Fit(view);
        mlContext.Model.Save(model, view.Schema, Path.Combine(folder.FullName, "model.zip"));
        model.SaveOnnx(Path.Combine(folder.FullName, "onnx.onnx"));
        model.SaveOnnx(Path.Combine(folder.FullName, "int8.onnx"),
            new OnnxExportOptions { Quantize = OnnxQuantization.Int8, QuantizationSet = view });
    }

    private static double[] Child(string kind, int setting, DirectoryInfo folder) =>
        ChildProcess.Run("onnx-child", kind, setting.ToString(CultureInfo.InvariantCulture), folder.FullName);

    private static string[] Compare(List<double[]> torch, List<double[]> onnx, int which)
    {
        Sample theirs = Sample.Of(torch.Select(times => times[which])), ours = Sample.Of(onnx.Select(times => times[which]));
        Sample ratio = Sample.Of(onnx.Zip(torch, (our, their) => our[which] / their[which]));
        return [$"{theirs.Median:F2}", $"{ours.Median:F2}", ratio.Text()];
    }

    private sealed class Scored
    {
        public float[] Score { get; set; } = [];
    }
}
