using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>How the time that an image takes depends on how many are scored together.</summary>
internal static class BatchSizeBenchmark
{
    private const int ImagesATime = 256;

    private static readonly int[] BatchSizes = [4, 8, 16, 32, 64, 128];

    public static void Run()
    {
        Table table = new(["Milliseconds an image", .. BatchSizes.Select(size => $"{size}")]);
        foreach (bool keepsMemory in new[] { false, true })     // in this order: it cannot be taken back
        {
            if (keepsMemory && !AllocatorTuning.KeepFreedMemory())
                return;
            foreach (int side in new[] { 32, 64 })
            {
                StepSetting setting = new(NetworkArchitecture.ResNet20, 1, new(3, side, side));
                table.Add([$"{setting.Architecture}, 3×{side}×{side}{(keepsMemory ? ", memory kept" : "")}",
                    .. BatchSizes.Select(size => Time(setting with { BatchSize = size }))]);
            }
        }
    }

    private static string Time(StepSetting setting)
    {
        using IDisposable inference = inference_mode();
        using DisposeScope scope = NewDisposeScope();
        using nn.Module<Tensor, Tensor> network = setting.CreateNetwork();
        network.eval();
        Tensor images = setting.CreateBatch().Images;
        double milliseconds = SideBySide.MedianMilliseconds(() =>
        {
            for (int done = 0; done < ImagesATime; done += setting.BatchSize)
            {
                using DisposeScope pass = NewDisposeScope();
                network.call(images);
            }
        }, count: 7);
        return $"{milliseconds / ImagesATime:F2}";
    }
}
