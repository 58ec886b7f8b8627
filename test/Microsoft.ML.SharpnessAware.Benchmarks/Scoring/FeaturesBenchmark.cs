using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>
/// Features of pictures of 224×224 by the network of the package Microsoft.ML.DnnImageFeaturizer.ResNet18: FeaturizeImages, from pixels in
/// memory, against ONNX Runtime with as many threads, whose input is ready: floats for the package's file, pixels for ours.
/// </summary>
/// <remarks>The package's file takes one picture at a time, and says so in all its shapes; the same network as SaveOnnx writes it, with a
/// head, takes batches.</remarks>
internal static class FeaturesBenchmark
{
    private const int Classes = 10, Batch = 8;

    // Batches are of 1, 2 and 4 rows and then of 8: so many of these that the first count for little, as they do where there are thousands.
    private const int Pictures = 11 * Batch - 1;

    private static readonly ImageShape Shape = new(3, 224, 224);
    private static readonly TimeSpan TimeOfEach = TimeSpan.FromSeconds(3);

    public static void Run(int rounds)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("features-benchmark");
        try
        {
            string exported = Path.Combine(folder.FullName, "exported.onnx");
            Save(exported);
            List<double[]> ours = [], package = [], theirs = [];
            string threads = get_num_threads().ToString(CultureInfo.InvariantCulture);
            for (int round = 0; round < rounds; round++)
            {
                ours.Add(ChildProcess.Run("features-child", "ours", "", threads));
                theirs.Add(ChildProcess.Run("features-child", "exported", exported, threads));
                package.Add(ChildProcess.Run("features-child", "package", PretrainedWeights.Find(NetworkArchitecture.MLNetResNet18)!,
                    threads));
            }

            Console.WriteLine($"{threads} threads; features a second of ours / ONNX Runtime's as median (10th to 90th percentile)");
            Table table = new("", "Ours, ms", "Theirs, ms", "Speed, ours / theirs", "the same by processor time");
            Compare("batches / same network, batches", 0, theirs, 0);
            Compare("batches / package's file, single", 0, package, 2);
            Compare("single / same network, single", 2, theirs, 2);
            Compare("single / package's file, single", 2, package, 2);

            void Compare(string what, int our, List<double[]> others, int their) => table.Add(what,
                $"{Sample.Of(ours.Select(times => times[our])).Median:F1}", $"{Sample.Of(others.Select(times => times[their])).Median:F1}",
                Speed(our, others, their), Speed(our + 1, others, their + 1));

            string Speed(int our, List<double[]> others, int their) =>
                Sample.Of(others.Zip(ours, (other, mine) => other[their] / mine[our])).Text();
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Times one of them in this process, and writes the milliseconds of an image in batches and alone, each followed by the
    /// processor's.</summary>
    public static void RunChild(string kind, string path, int threads)
    {
        AllocatorTuning.KeepFreedMemory();
        if (kind == "ours")
            TimeOurs();
        else
            TimeTheirs(path, threads, batches: kind == "exported");
    }

    private static void TimeOurs()
    {
        MLContext mlContext = new(seed: 1);
        IDataView view = PixelImages.View(mlContext, Pictures, Shape, Classes);
        ITransformer model = mlContext.Transforms.FeaturizeImages("Features").Fit(view);
        IDataView featurized = model.Transform(view);
        Write(() => VectorColumn.Read(featurized, "Features"), Pictures);

        PredictionEngine<PixelImages.Row, Featurized> engine = mlContext.Model.CreatePredictionEngine<PixelImages.Row, Featurized>(
            model, view.Schema);
        PixelImages.Row row = PixelImages.Rows(1, Shape, Classes)[0];
        Write(() => engine.Predict(row), 1);
    }

    private static void TimeTheirs(string path, int threads, bool batches)
    {
        using SessionOptions options = new() { IntraOpNumThreads = threads };
        using InferenceSession session = new(path, options);
        using RunOptions run = new();
        (string name, NodeMetadata input) = session.InputMetadata.First();
        using OrtValue one = Images(1), many = Images(Batch);
        Write(() => Run(batches ? Batch : 1), batches ? Batch : 1);
        Write(() => Run(1), 1);

        void Run(int count)
        {
            using IDisposableReadOnlyCollection<OrtValue> outputs =
                session.Run(run, [name], [count == 1 ? one : many], session.OutputNames);
        }

        OrtValue Images(int count)
        {
            long[] shape = [count, Shape.Channels, Shape.Height, Shape.Width];
            byte[] pixels = new byte[count * Shape.ValueCount];
            new Random(1).NextBytes(pixels);
            return input.ElementDataType == TensorElementType.UInt8
                ? OrtValue.CreateTensorValueFromMemory(pixels, shape)
                : OrtValue.CreateTensorValueFromMemory(Array.ConvertAll(pixels, pixel => pixel - 128f), shape);
        }
    }

    private static void Save(string path)
    {
        MLContext mlContext = new(seed: 1);
        using var model = mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(new()
        {
            FeatureColumnName = "Image",
            Arch = NetworkArchitecture.MLNetResNet18,
            FineTuning = FineTuning.HeadOnly,
        }).Fit(PixelImages.View(mlContext, 4 * Classes, Shape, Classes));
        model.SaveOnnx(path);
    }

    private static void Write(Action action, int images)
    {
        long start = Stopwatch.GetTimestamp();
        do
            action();
        while (Stopwatch.GetElapsedTime(start) < TimeOfEach / 3);
        TimeSpan processor = ProcessorTime();
        start = Stopwatch.GetTimestamp();
        int count = 0;
        for (; Stopwatch.GetElapsedTime(start) < TimeOfEach; count++)
            action();
        Console.WriteLine(FormattableString.Invariant(
            $"{Each(Stopwatch.GetElapsedTime(start))} {Each(ProcessorTime() - processor)}"));

        double Each(TimeSpan time) => time.TotalMilliseconds / count / images;
    }

    private static TimeSpan ProcessorTime()
    {
        using Process process = Process.GetCurrentProcess();
        return process.TotalProcessorTime;
    }

    private sealed class Featurized
    {
        public float[] Features { get; set; } = [];
    }
}
