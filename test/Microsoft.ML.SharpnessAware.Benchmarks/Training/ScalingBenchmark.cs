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

    /// <summary>
    /// Steps of a process' own, which then waits for the others, against steps with one and with two exchanges of gradients, and with
    /// synchronised batch norm: in turns, so that the machine's moods and the wait for the slowest are in all of them.
    /// </summary>
    private static void Steps(ProcessGroup? group)
    {
        const int Warmup = 2, Measured = 13;
        var setting = new StepSetting(NetworkArchitecture.ResNet20, BatchSize, new(3, 32, 32));
        using DisposeScope scope = NewDisposeScope();
        (Tensor images, Tensor labels) = setting.CreateBatch();
        (ProcessGroup? Group, bool Shared, bool Synchronize, string Name)[] ways = group is null
            ? [(null, false, false, "")]
            : [(null, false, false, ""), (group, false, false, "one exchange"), (group, true, false, "two exchanges"),
                (group, true, true, "two exchanges and synchronised batch norm")];
        nn.Module<Tensor, Tensor>[] networks = [.. ways.Select(_ => setting.CreateNetwork())];
        SharpnessAwareOptimizer[] optimizers = [.. ways.Zip(networks, (way, network) =>
            new SharpnessAwareOptimizer(network, SharpnessAwareMethod.Sam(), new BaseOptimizer.Sgd(0.05))
            {
                ProcessGroup = way.Group,
                SharedAscent = way.Shared,
                SynchronizeBatchNorm = way.Synchronize,
                RepeatsRandomness = false,
            })];
        double[][] times = [.. ways.Select(_ => new double[Measured])];
        for (int round = -Warmup; round < Measured; round++)
        {
            for (int way = 0; way < ways.Length; way++)
            {
                group?.Barrier();
                long start = Stopwatch.GetTimestamp();
                optimizers[way].Step(networks[way].call, images, labels);
                group?.Barrier();
                if (round >= 0)
                    times[way][round] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            }
        }

        Say(group, string.Create(CultureInfo.InvariantCulture,
            $"ResNet-20, SAM, batch {BatchSize} a process, {get_num_threads()} thread(s): {Median(times[0]):F1} ms a step without " +
            $"exchange, {1000 * BatchSize * (group?.Size ?? 1) / Median(times[Math.Min(1, ways.Length - 1)]):F1} images/s"));
        for (int way = 1; way < ways.Length; way++)
        {
            double[] more = [.. times[way].Zip(times[0], (with, without) => (with / without) - 1)];
            Say(group, string.Create(CultureInfo.InvariantCulture,
                $"with {ways[way].Name}: {Median(times[way]):F1} ms, {Median(more):P1} more, of rounds " +
                $"side by side (quartiles {more.Order().ElementAt(Measured / 4):P1} to {more.Order().ElementAt(3 * Measured / 4):P1})"));
        }
        Array.ForEach(optimizers, optimizer => optimizer.Dispose());
        Array.ForEach(networks, network => network.Dispose());
    }

    private static double Median(double[] values) => values.Order().ElementAt(values.Length / 2);

    private static void Say(ProcessGroup? group, string text)
    {
        if (group is null or { Rank: 0 })
            Console.WriteLine(text);
    }
}
