using System.Diagnostics;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>A whole epoch of a training (batches, augmentation, validation, metrics, log) against the bare steps in it.</summary>
internal static class EpochBenchmark
{
    private const int BatchSize = 128;

    public static void Run()
    {
        AllocatorTuning.KeepFreedMemory();
        Table table = new("Training", "Epoch, ms", "Bare steps, ms", "Epoch / steps");
        Compare(table, "resnet8, 1×28×28, no augmentation", NetworkArchitecture.ResNet8, new(1, 28, 28), Augmentation.None, rounds: 11);
        Compare(table, "resnet8, 1×28×28, standard", NetworkArchitecture.ResNet8, new(1, 28, 28), Augmentation.Standard, rounds: 11);
        Compare(table, "resnet8, 3×32×32, strong", NetworkArchitecture.ResNet8, new(3, 32, 32), Augmentation.Strong, rounds: 11);
        Compare(table, "resnet20, 3×32×32, standard", NetworkArchitecture.ResNet20, new(3, 32, 32), Augmentation.Standard, rounds: 7);
    }

    /// <summary>2,560 images to train on and a tenth as many to validate on.</summary>
    private static void Compare(Table table, string name, string architecture, ImageShape shape, Augmentation augmentation, int rounds)
    {
        const int Steps = 20;
        MLContext mlContext = new(seed: 1);
        IDataView images = PixelImages.View(mlContext, Steps * BatchSize, shape);
        IDataView validation = PixelImages.View(mlContext, Steps * BatchSize / 10, shape);
        using TrainingStep step = new(new StepSetting(architecture, BatchSize, shape), SharpnessAwareMethod.Csam());
        List<double> epochs = [];
        List<double> bare = [];
        mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(new()
        {
            FeatureColumnName = "Image",
            Arch = architecture,
            BatchSize = BatchSize,
            Epoch = rounds + 1,
            Augmentation = augmentation,
            ValidationSet = validation,
            MetricsCallback = epoch =>
            {
                // Between two epochs, so that both meet the same machine. The first epoch warms up.
                long start = Stopwatch.GetTimestamp();
                for (int i = 0; i < Steps; i++)
                    step.Run();
                if (epoch.Epoch == 1)
                    return;
                bare.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
                epochs.Add(epoch.Duration.TotalMilliseconds);
            },
        }).Fit(images).Dispose();

        table.Add(name, $"{Sample.Of(epochs).Median:F0}", $"{Sample.Of(bare).Median:F0}",
            Sample.Of(epochs.Zip(bare, (epoch, steps) => epoch / steps)).Text());
    }
}
