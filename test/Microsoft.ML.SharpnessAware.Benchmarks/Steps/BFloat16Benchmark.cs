using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>
/// What bfloat16 would gain, two passes against two float32 passes, and what it would do to the climb: weights have 8 bits then, and a
/// climb of ρ = 0.05 is spread over all of them. The weights that are trained stay float32 (the master weights of mixed precision); what
/// the passes see of them is rounded.
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
            (Tensor w, Tensor meant) = Climb(setting);
            (double moved, double length, double cosine) = Arrives(w, meant, ToNearest);
            table.Add($"{setting}", $"{times.TheirsMilliseconds.Median:F1}", times.Ratio.Text(), $"{moved:P0}", $"{length:F2} ρ",
                $"{cosine:F2}");
            w.Dispose();
            meant.Dispose();
        }
        Ways();
    }

    /// <summary>Cosines with the climb that was meant, for other ways of rounding and for longer climbs.</summary>
    private static void Ways()
    {
        int[] factors = [1, 4, 16, 64];
        Table table = new(
            ["Network and batch", .. factors.Select(factor => $"To nearest, {factor} ρ"), "At random", "Two numbers a weight"]);
        foreach (StepSetting setting in StepSetting.All)
        {
            using DisposeScope scope = NewDisposeScope();
            (Tensor w, Tensor meant) = Climb(setting);
            table.Add(
            [
                $"{setting}", .. factors.Select(factor => Cosine(meant * factor, ToNearest)), Cosine(meant, AtRandom),
                Cosine(meant, AsTwoNumbers),
            ]);

            string Cosine(Tensor climb, Func<Tensor, Tensor> round) => $"{Arrives(w, climb, round).Cosine:F3}";
        }
    }

    /// <summary>Weights after some steps of training, and the climb from there.</summary>
    private static (Tensor Weights, Tensor Climb) Climb(StepSetting setting)
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
        return scope.MoveToOuter(w, g * (Rho / g.norm().item<float>()));
    }

    /// <summary>What the passes see of a climb: the rounded weights after it less the rounded weights before it.</summary>
    private static (double Moved, double Length, double Cosine) Arrives(Tensor w, Tensor meant, Func<Tensor, Tensor> round)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor done = round(w + meant) - round(w);
        double length = done.norm().item<float>(), asked = meant.norm().item<float>();
        return (done.ne(0).to(float32).mean().item<float>(), length / asked, (meant * done).sum().item<float>() / (asked * length));
    }

    private static Tensor ToNearest(Tensor values) => values.to(ScalarType.BFloat16).to(ScalarType.Float32);

    /// <summary>Stochastic rounding: up with a probability of the part that is cut off, so that the mean is the value.</summary>
    private static Tensor AtRandom(Tensor values)
    {
        const int SignificantBits = 8;
        const float Smallest = 1e-30f;      // whose unit is not a denormal number yet
        Tensor unit = (values.abs().clamp(min: Smallest).log2().floor() - (SignificantBits - 1)).exp2();
        return ((values / unit) + rand_like(values)).floor() * unit;
    }

    /// <summary>The value rounded, and what that left, rounded: two products in place of one.</summary>
    private static Tensor AsTwoNumbers(Tensor values)
    {
        Tensor rounded = ToNearest(values);
        return rounded + ToNearest(values - rounded);
    }
}
