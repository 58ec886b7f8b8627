using System.Diagnostics;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>What whole trainings cost against SGD, in turns: full SAM, and climbs that are rarer or of fewer images.</summary>
internal static class CheaperBenchmark
{
    private const int Training = 1_280, Validation = 256, Epochs = 8, BatchSize = 128;

    private static readonly SharpnessAwareMethod Sam = SharpnessAwareMethod.Sam();

    private static readonly (string Name, SharpnessAwareMethod Method)[] Methods =
    [
        ("SAM", Sam),
        ("Period 5", Sam with { Period = 5 }),
        ("AscentShare .25", Sam with { AscentShare = 0.25 }),
        ("LatePhase .25", Sam with { LatePhase = 0.25 }),
        ("LatePhase .25, AscentShare .25", Sam with { LatePhase = 0.25, AscentShare = 0.25 }),
    ];

    public static void Run(int rounds)
    {
        AllocatorTuning.KeepFreedMemory();
        MLContext mlContext = new(seed: 1);
        (IDataView training, IDataView validation, _) = FashionImages.Load(mlContext, Training, Validation);
        foreach (SharpnessAwareMethod method in Methods.Select(each => each.Method).Prepend(SharpnessAwareMethod.Standard))
            Seconds(method, epochs: 1);

        List<double> sgd = [];
        List<double>[] ratios = [.. Methods.Select(_ => new List<double>())];
        for (int round = 0; round < rounds; round++)
        {
            // SGD before and after, so that a machine that grows slower shows as spread.
            double before = Seconds(SharpnessAwareMethod.Standard, Epochs);
            double[] times = [.. Methods.Select(each => Seconds(each.Method, Epochs))];
            double plain = (before + Seconds(SharpnessAwareMethod.Standard, Epochs)) / 2;
            sgd.Add(plain);
            for (int i = 0; i < times.Length; i++)
                ratios[i].Add(times[i] / plain);
        }

        Table table = new("Training (ResNet-8, 1×28×28)", $"SGD, s: {Sample.Of(sgd).Text()}");
        foreach (((string name, _), List<double> ratio) in Methods.Zip(ratios))
            table.Add(name, Sample.Of(ratio).Text());

        double Seconds(SharpnessAwareMethod method, int epochs)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            long start = Stopwatch.GetTimestamp();
            mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(new()
            {
                FeatureColumnName = "Image", Arch = NetworkArchitecture.ResNet8, Method = method, BatchSize = BatchSize, Epoch = epochs,
                Augmentation = Augmentation.None, ValidationSet = validation, Seed = 1,
            }).Fit(training).Dispose();
            return Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
    }
}
