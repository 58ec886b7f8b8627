using SkiaSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

internal static class MemoryProgram
{
    /// <summary>Images of 3 × 64 × 64 bytes, 98 MB of them once decoded.</summary>
    private const int Count = 8000, Side = 64;

    private static readonly byte[][] Files = [.. Enumerable.Range(0, 8).Select(Jpeg)];

    /// <summary>
    /// Trains an epoch on far more pixels than the process should hold: with the cache in that folder, with the cache that is there now,
    /// and without; then the head alone, from weights, by FineTuning and by FreezeBackbone. Prints the bytes of the decoded pixels, and by
    /// how many bytes the process' anonymous memory grew at most each time.
    /// (Pages of a mapped file are not anonymous: the system drops them whenever it needs the room.)
    /// </summary>
    public static void Run(string workspace)
    {
        set_num_threads(1);
        NetworkArchitecture.Register(nameof(PooledPixels), classes => new PooledPixels(classes));
        string weights = Path.Combine(workspace, "first.safetensors");
        // So that code and buffers of the libraries are there.
        Train(48, Path.Combine(workspace, "first"), model => model.SaveWeights(weights));
        Train(48, null, initialWeights: weights);
        Train(48, null, initialWeights: weights, freezes: true);
        Console.WriteLine((long)Count * 3 * Side * Side);
        foreach (string? folder in new[] { workspace, workspace, null })
            Console.WriteLine(Growth(() => Train(Count, folder)));
        foreach (bool freezes in new[] { false, true })
            Console.WriteLine(Growth(() => Train(Count, null, initialWeights: weights, freezes: freezes)));
    }

    private static long Growth(Action action)
    {
        long before = AnonymousBytes(), most = before;
        using var stop = new CancellationTokenSource();
        var watch = new Thread(() =>
        {
            while (!stop.Token.WaitHandle.WaitOne(2))
                most = Math.Max(most, AnonymousBytes());
        });
        watch.Start();
        action();
        stop.Cancel();
        watch.Join();
        return most - before;
    }

    private static void Train(int count, string? folder, Action<SharpnessAwareImageClassificationTransformer>? use = null,
        string? initialWeights = null, bool freezes = false)
    {
        var mlContext = new MLContext(seed: 1);
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        options.Arch = nameof(PooledPixels);
        options.Epoch = 1;
        options.BatchSize = 32;
        options.Method = SharpnessAwareMethod.Standard;
        options.ImageWidth = options.ImageHeight = Side;
        options.WorkspacePath = folder;
        options.InitialWeights = initialWeights;
        options.FineTuning = freezes ? FineTuning.Auto : FineTuning.HeadOnly;
        options.FreezeBackbone = freezes;
        options.ValidationSetFraction = freezes ? 0.1 : null;
        IDataView data = Fitted.View(mlContext,
            Enumerable.Range(0, count).Select(i => new EncodedRow { Label = $"{i % 2}", Image = Files[i % 8] }));
        using SharpnessAwareImageClassificationTransformer model =
            mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options).Fit(data);
        use?.Invoke(model);
    }

    private static long AnonymousBytes() =>
        1024 * long.Parse(File.ReadLines("/proc/self/status")
            .First(line => line.StartsWith("RssAnon:", StringComparison.Ordinal)).Split(' ')[^2]);

    private static byte[] Jpeg(int number)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(Side, Side, SKColorType.Rgba8888, SKAlphaType.Opaque));
        bitmap.Erase(new SKColor((byte)(30 * number), 100, (byte)(number % 2 * 200)));
        using SKData data = bitmap.Encode(SKEncodedImageFormat.Jpeg, 90);
        return data.ToArray();
    }

    /// <summary>A linear layer on 4 × 4 averages, since what counts here is the data.</summary>
    private sealed class PooledPixels : nn.Module<Tensor, Tensor>
    {
        private readonly Linear _classifier;

        public PooledPixels(int classes)
            : base(nameof(PooledPixels))
        {
            _classifier = nn.Linear(3 * 16, classes);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => _classifier.call(nn.functional.adaptive_avg_pool2d(input, [4, 4]).flatten(1));
    }
}
