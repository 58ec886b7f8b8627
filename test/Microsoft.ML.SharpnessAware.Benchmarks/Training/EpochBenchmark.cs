namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>A whole epoch of a training (batches, augmentation, validation, metrics, log) against the bare steps in it.</summary>
internal static class EpochBenchmark
{
    private const int BatchSize = 128;

    public static void Run()
    {
        Table table = new("Training", "Epoch, ms", "Bare steps, ms", "Epoch / steps");
        Compare(table, "resnet8, 1×28×28, no augmentation", NetworkArchitecture.ResNet8, new(1, 28, 28), Augmentation.None, rounds: 9);
        Compare(table, "resnet8, 1×28×28, standard", NetworkArchitecture.ResNet8, new(1, 28, 28), Augmentation.Standard, rounds: 9);
        Compare(table, "resnet8, 3×32×32, strong", NetworkArchitecture.ResNet8, new(3, 32, 32), Augmentation.Strong, rounds: 9);
        Compare(table, "resnet20, 3×32×32, standard", NetworkArchitecture.ResNet20, new(3, 32, 32), Augmentation.Standard, rounds: 5);
    }

    /// <summary>2,560 images to train on and a tenth as many to validate on.</summary>
    private static void Compare(Table table, string name, string architecture, ImageShape shape, Augmentation augmentation, int rounds)
    {
        const int Steps = 20;
        MLContext mlContext = new(seed: 1);
        IDataView images = PixelImages.View(mlContext, Steps * BatchSize, shape);
        IDataView validation = PixelImages.View(mlContext, Steps * BatchSize / 10, shape);
        using TrainingStep step = new(new StepSetting(architecture, BatchSize, shape), SharpnessAwareMethod.Csam());
        step.Run();
        List<double> epochs = [];
        List<double> bare = [];
        for (int round = 0; round < rounds; round++)
        {
            using (var model = mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(new()
            {
                FeatureColumnName = "Image",
                Arch = architecture,
                BatchSize = BatchSize,
                Epoch = 2,
                Augmentation = augmentation,
                ValidationSet = validation,
            }).Fit(images))
            {
                epochs.Add(model.History[^1].Duration.TotalMilliseconds);       // the first also warms up
            }

            bare.Add(SideBySide.MedianMilliseconds(() =>
            {
                for (int i = 0; i < Steps; i++)
                    step.Run();
            }, count: 1));
        }

        table.Add(name, $"{Sample.Of(epochs).Median:F0}", $"{Sample.Of(bare).Median:F0}",
            Sample.Of(epochs.Zip(bare, (epoch, steps) => epoch / steps)).Text());
    }
}
