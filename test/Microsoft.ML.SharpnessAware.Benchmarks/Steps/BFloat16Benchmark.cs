using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>
/// What bfloat16 would gain, two passes against two float32 passes, and what it would do to the climb: weights have 8 bits then, and a
/// climb of ρ = 0.05 is spread over all of them.
/// </summary>
internal static class BFloat16Benchmark
{
    private const double Rho = 0.05;

    public static void Run()
    {
        Table table = new("Network and batch", "float32, ms", "bfloat16 / float32", "Weights that move", "Length of the climb",
            "Cosine with it");
        foreach (StepSetting setting in StepSetting.All)
        {
            using PlainPasses single = new(setting);
            using PlainPasses half = new(setting, ScalarType.BFloat16);
            SideBySide times = SideBySide.Run(half.Run, single.Run, rounds: 15);
            (double moved, double length, double cosine) = Climb(setting);
            table.Add($"{setting}", $"{times.TheirsMilliseconds.Median:F1}", times.Ratio.Text(), $"{moved:P0}", $"{length:F2} ρ",
                $"{cosine:F2}");
        }
    }

    /// <summary>After some steps of training: the climb of the weights rounded to bfloat16 against the climb that was meant.</summary>
    private static (double Moved, double Length, double Cosine) Climb(StepSetting setting)
    {
        using DisposeScope scope = NewDisposeScope();
        using nn.Module<Tensor, Tensor> network = setting.CreateNetwork();
        (Tensor images, Tensor labels) = setting.CreateBatch();
        using (SharpnessAwareOptimizer optimizer = new(network, SharpnessAwareMethod.Sam(Rho), new BaseOptimizer.Sgd(0.05)))
        {
            for (int step = 0; step < 10; step++)
                optimizer.Step(() => network.call(images), labels);
        }

        network.zero_grad();
        nn.functional.cross_entropy(network.call(images), labels).backward();
        using IDisposable noGradient = no_grad();
        Parameter[] parameters = [.. network.parameters()];
        Tensor w = cat([.. parameters.Select(p => p.reshape(-1))]);
        Tensor g = cat([.. parameters.Select(p => p.grad!.reshape(-1))]);
        Tensor meant = g * (Rho / g.norm().item<float>());
        Tensor done = Rounded(w + meant) - Rounded(w);
        double length = done.norm().item<float>();
        return (done.ne(0).to(float32).mean().item<float>(), length / Rho, (meant * done).sum().item<float>() / (Rho * length));

        static Tensor Rounded(Tensor values) => values.to(ScalarType.BFloat16).to(ScalarType.Float32);
    }
}
