using System.Globalization;
using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>
/// Trains, scores, predicts, saves and loads again and again, and prints what is left: see MemoryTests.
/// </summary>
/// <remarks>
/// Tensor.TotalCount is never lowered for the tensor that a Parameter is made of (TorchSharp 0.107), so making a network raises it by the
/// number of its parameters for ever. That number is measured on networks that are made and disposed, and taken off.
/// </remarks>
internal static class LiveProgram
{
    private const string Arch = "tiny";
    private const int NetworksMeasured = 10, Classes = 3;

    private static readonly PixelRow[] Rows = [.. Shapes.Pixels(9)];
    private static int _networks;

    public static void Run(int rounds, bool dispose)
    {
        set_num_threads(1);
        NetworkArchitecture.Register(Arch, classes =>
        {
            _networks++;
            return new TinyNet(classes);
        });
        Repeat(Math.Max(10, rounds / 2), dispose);      // what is allocated once: the runtime compiles for some 800 rounds
        double perNetwork = CountedForEver();
        (long tensors, long resident) = Measure(perNetwork);
        WeakReference[] references = Repeat(rounds, dispose);
        (long tensorsAfter, long residentAfter) = Measure(perNetwork);

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{tensorsAfter - tensors} {(residentAfter - resident) >> 10} {references.Count(reference => reference.IsAlive)} " +
                $"{resident >> 10}"));
    }

    private static WeakReference[] Repeat(int rounds, bool dispose)
    {
        var references = new WeakReference[rounds];
        for (int i = 0; i < rounds; i++)
        {
            references[i] = Round(dispose);
            if (!dispose && i % 50 == 0)
                Collect();
        }
        return references;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference Round(bool dispose)
    {
        var mlContext = new MLContext(seed: 1);
        IDataView data = Fitted.View(mlContext, Rows);
        SharpnessAwareImageClassificationTransformer model = Fitted.Model(mlContext, data, options =>
        {
            options.Arch = Arch;
            options.Epoch = 2;
            options.BatchSize = 3;
            options.Augmentation = Augmentation.Standard;
            options.EarlyStoppingCriteria = new EarlyStopping(Patience: 3);
        });
        float[][] scores = Fitted.Scores(mlContext, model.Transform(data));

        using var file = new MemoryStream();
        mlContext.Model.Save(model, data.Schema, file);
        var loaded = (SharpnessAwareImageClassificationTransformer)mlContext.Model.Load(file, out _);
        SharpnessAwareImageClassificationTransformer warmer = loaded.WithTemperature(loaded.Temperature);
        PredictionEngine<PixelRow, ScoredRow> engine = mlContext.Model.CreatePredictionEngine<PixelRow, ScoredRow>(warmer);
        for (int i = 0; i < 3; i++)
        {
            if (MathF.Abs(engine.Predict(Rows[i]).Score[0] - scores[i][0]) > 1e-5f)
                throw new InvalidOperationException("The loaded model gives other scores.");
        }

        if (dispose)
        {
            engine.Dispose();
            foreach (IDisposable each in new IDisposable[] { model, loaded, warmer })
                each.Dispose();
        }
        return new WeakReference(model);
    }

    /// <summary>How far the count of tensors rises for ever when a network is made and disposed.</summary>
    private static double CountedForEver()
    {
        Collect();
        long before = Tensor.TotalCount;
        for (int i = 0; i < NetworksMeasured; i++)
            new TinyNet(Classes).Dispose();
        Collect();
        return (Tensor.TotalCount - before) / (double)NetworksMeasured;
    }

    private static (long Tensors, long Resident) Measure(double perNetwork)
    {
        Collect();
        // What the runtime keeps for later is noise of some 20 MB here; an aggressive collection gives it back.
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        return (Tensor.TotalCount - (long)(perNetwork * _networks), Environment.WorkingSet);
    }

    private static void Collect()
    {
        for (int i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }

    /// <summary>Parameters, running statistics and random numbers, as small as they get.</summary>
    private sealed class TinyNet : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> _layers;

        public TinyNet(int numberOfClasses)
            : base(nameof(TinyNet))
        {
            _layers = nn.Sequential(
                nn.Conv2d(1, 2, 3, stride: 4), nn.BatchNorm2d(2), nn.ReLU(), nn.Dropout(0.1), nn.Flatten(), nn.Linear(18, numberOfClasses));
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => _layers.call(input);
    }
}
