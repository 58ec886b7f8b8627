namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>How the time of an epoch grows with the number of images, and that of a step with classes, parameters and image size.</summary>
internal static class GrowthBenchmark
{
    public static void Run()
    {
        Table table = new("What grows", "Sizes", "Milliseconds", "Times the first");
        MLContext mlContext = new(seed: 1);
        Add(table, "images, epoch of resnet8, 1×28×28", [1024, 2048, 4096], images => EpochMilliseconds(mlContext, images));
        Add(table, "classes, step of resnet8, 1×28×28", [10, 100, 1000], classes =>
            StepMilliseconds(StepSetting.Small with { NumberOfClasses = classes }));
        Add(table, "layers, step on 128 of 1×28×28", [8, 20, 56], layers =>
            StepMilliseconds(StepSetting.Small with { Architecture = $"resnet{layers}" }));
        Add(table, "side, step of resnet8 on 32", [28, 56, 112], side =>
            StepMilliseconds(StepSetting.Small with { BatchSize = 32, Shape = new(1, side, side) }));
    }

    private static void Add(Table table, string name, int[] sizes, Func<int, double> milliseconds)
    {
        double[] times = [.. sizes.Select(milliseconds)];
        table.Add(name, string.Join(", ", sizes), string.Join(", ", times.Select(time => $"{time:F0}")),
            string.Join(", ", times.Select(time => $"{time / times[0]:F1}")));
    }

    private static double StepMilliseconds(StepSetting setting)
    {
        using TrainingStep step = new(setting, SharpnessAwareMethod.Sam());
        return SideBySide.MedianMilliseconds(step.Run, count: 12);
    }

    private static double EpochMilliseconds(MLContext mlContext, int images)
    {
        using var model = mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(new()
        {
            FeatureColumnName = "Image",
            Arch = NetworkArchitecture.ResNet8,
            Epoch = 5,
            BatchSize = 128,
            ValidationSetFraction = 0,
        }).Fit(PixelImages.View(mlContext, images, new(1, 28, 28)));
        return Sample.Of(model.History.Skip(1).Select(epoch => epoch.Duration.TotalMilliseconds)).Median;
    }
}
