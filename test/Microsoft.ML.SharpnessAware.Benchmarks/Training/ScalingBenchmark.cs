using System.Diagnostics;
using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>
/// What processes cost each other. Under mpirun: a sum of n floats over all of them, and steps of ResNet-20 with the exchange and without.
/// In one process: images a second by its BatchSize threads, to compare with.
/// </summary>
internal static class ScalingBenchmark
{
    private const int BatchSize = 128, Rounds = 5;

    /// <param name="network">ResNet-20's steps; without it, sums alone.</param>
    public static void Run(bool network)
    {
        using ProcessGroup? group = ProcessGroup.IsLaunchedByMpi ? ProcessGroup.Mpi() : null;
        if (group is not null)
            set_num_threads(group.ThreadsPerProcess);
        if (group is not null)
            Sums(group);
        if (network)
            Steps(group);
    }

    private static void Sums(ProcessGroup group)
    {
        Say(group, $"{group.Size} processes, {group.LocalSize} on this machine");
        foreach (int count in new[] { 0, 1_000, 10_000, 100_000, 272_000, 1_000_000, 5_700_000, 11_700_000, 25_600_000 })
        {
            float[] values = new float[count];
            int repeats = Math.Clamp(4_000_000 / Math.Max(count, 1), 3, 200);
            double[] times = new double[Rounds];
            for (int round = 0; round < Rounds; round++)
            {
                group.Barrier();
                long start = Stopwatch.GetTimestamp();
                for (int i = 0; i < repeats; i++)
                    group.AllReduceSum(values);
                times[round] = Stopwatch.GetElapsedTime(start).TotalMilliseconds / repeats;
            }
            Array.Sort(times);
            Say(group, string.Create(CultureInfo.InvariantCulture,
                $"sum of {count,10} floats: {times[Rounds / 2],8:F3} ms ({times[0]:F3} to {times[^1]:F3})"));
        }
    }

    private static void Steps(ProcessGroup? group)
    {
        double alone = Seconds(null, BatchSize, false), climbsAlone = alone, shared = alone;
        if (group is not null)
        {
            climbsAlone = Seconds(group, BatchSize, shared: false);
            shared = Seconds(group, BatchSize, shared: true);
        }
        Say(group, string.Create(CultureInfo.InvariantCulture,
            $"ResNet-20, SAM, batch {BatchSize} a process, {get_num_threads()} thread(s): {1000 * alone:F1} ms without exchange, " +
            $"{1000 * climbsAlone:F1} with it, {1000 * shared:F1} with two; {(group?.Size ?? 1) * BatchSize / climbsAlone:F1} images/s"));
    }

    /// <summary>The median of steps, which all processes make at the same time.</summary>
    private static double Seconds(ProcessGroup? group, int batch, bool shared)
    {
        const int Warmup = 2, Measured = 7;
        using DisposeScope scope = NewDisposeScope();
        var setting = new StepSetting(NetworkArchitecture.ResNet20, batch, new(3, 32, 32));
        using nn.Module<Tensor, Tensor> network = setting.CreateNetwork();
        (Tensor images, Tensor labels) = setting.CreateBatch();
        using SharpnessAwareOptimizer optimizer = new(network, SharpnessAwareMethod.Sam(), new BaseOptimizer.Sgd(0.05))
        {
            ProcessGroup = group,
            SharedAscent = shared,
            RepeatsRandomness = false,
        };
        double[] times = new double[Measured];
        for (int i = -Warmup; i < Measured; i++)
        {
            long start = Stopwatch.GetTimestamp();
            optimizer.Step(network.call, images, labels);
            if (i >= 0)
                times[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        Array.Sort(times);
        return times[Measured / 2];
    }

    private static void Say(ProcessGroup? group, string text)
    {
        if (group is null or { Rank: 0 })
            Console.WriteLine(text);
    }
}
