namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>Resident memory of a training of 2,000 steps, its slope, and its peak against that of PyTorch's same step.</summary>
internal static class MemoryBenchmark
{
    private const int StepsPerEpoch = 50;

    public static void Run()
    {
        StepSetting setting = StepSetting.Small;
        const int Epochs = 40;
        MLContext mlContext = new(seed: 1);
        int images = StepsPerEpoch * setting.BatchSize;
        IDataView data = PixelImages.View(mlContext, images, setting.Shape);
        long before = ProcessMemory.Now();
        List<double> memory = [];
        Table table = new($"{setting}: after step", "Resident, MB");
        using (mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(new()
        {
            FeatureColumnName = "Image",
            Arch = setting.Architecture,
            BatchSize = setting.BatchSize,
            Epoch = Epochs,
            ValidationSetFraction = 0,
            Augmentation = Augmentation.Standard,
            MetricsCallback = epoch =>
            {
                memory.Add(ProcessMemory.Now() / 1e6);
                if (epoch.Epoch % 4 == 1 || epoch.Epoch == Epochs)
                    table.Add($"{epoch.Epoch * StepsPerEpoch}", $"{memory[^1]:F0}");
            },
        }).Fit(data))
        {
            (double slope, double error) = Slope([.. memory.Skip(4)]);
            Console.WriteLine($"Slope after step {4 * StepsPerEpoch}: {1000 * slope / StepsPerEpoch:+0.00;-0.00} kB a step, standard " +
                $"error {1000 * error / StepsPerEpoch:F2}.");
            double peak = ProcessMemory.Peak(Environment.ProcessId) / 1e6;
            Console.WriteLine($"Peak {peak:F0} MB; {before / 1e6:F0} MB of it before the training (runtime, libraries, the rows in " +
                "memory).");
            Console.WriteLine($"The data set as bytes is {images * setting.Shape.ValueCount / 1e6:F0} MB.");
        }

        using PyTorchPeer? peer = PyTorchPeer.TryStart(
            setting, TorchSharp.torch.get_num_threads(), PyTorchVariant.Eager, out string problem);
        if (peer is null)
        {
            Console.WriteLine($"PyTorch's step is skipped ({problem}).");
            return;
        }

        for (int step = 0; step < 20; step++)
            peer.Step();
        Console.WriteLine($"PyTorch's peak over 20 of the same steps, one batch as its data: {peer.PeakMemory / 1e6:F0} MB.");
    }

    /// <summary>Least squares over 0, 1, 2, …, and the standard error of the slope.</summary>
    private static (double Slope, double Error) Slope(double[] values)
    {
        double middle = (values.Length - 1) / 2.0, mean = values.Average();
        double squares = Enumerable.Range(0, values.Length).Sum(i => (i - middle) * (i - middle));
        double slope = values.Select((value, i) => (i - middle) * (value - mean)).Sum() / squares;
        double residual = values.Select((value, i) => Math.Pow(value - mean - slope * (i - middle), 2)).Sum();
        return (slope, Math.Sqrt(residual / (values.Length - 2) / squares));
    }
}
