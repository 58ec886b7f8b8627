using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>Managed memory that a SAM step allocates beyond its two forward passes, for networks of more and more layers.</summary>
internal static class AllocationBenchmark
{
    private const int Steps = 20;

    public static void Run()
    {
        Table table = new("Network", "Parameters", "Forward pass, kB", "Step, kB", "Step less 2 passes, kB");
        foreach (string architecture in new[] { NetworkArchitecture.ResNet8, NetworkArchitecture.ResNet20, NetworkArchitecture.ResNet56 })
        {
            StepSetting setting = new(architecture, 2, new(1, 28, 28));
            using nn.Module<Tensor, Tensor> network = setting.CreateNetwork();
            (Tensor images, Tensor labels) = setting.CreateBatch();
            using SharpnessAwareOptimizer optimizer = new(network, SharpnessAwareMethod.Sam(), new BaseOptimizer.Sgd(0.01));
            double forward = KilobytesOf(() =>
            {
                using DisposeScope scope = NewDisposeScope();
                network.call(images);
            });
            double step = KilobytesOf(() => optimizer.Step(() => network.call(images), labels));
            table.Add(architecture, $"{network.parameters().Count()} tensors", $"{forward:F1}", $"{step:F1}", $"{step - 2 * forward:F1}");
            images.Dispose();
            labels.Dispose();
        }
    }

    private static double KilobytesOf(Action action)
    {
        for (int i = 0; i < Steps; i++)
            action();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < Steps; i++)
            action();
        return (GC.GetAllocatedBytesForCurrentThread() - before) / 1e3 / Steps;
    }
}
