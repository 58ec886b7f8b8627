using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The threads that libtorch computes with on a CPU.</summary>
internal static class Threads
{
    /// <summary>Those that have a processor: of a container that may use a part of a machine's, libtorch counts the machine's.</summary>
    public static int Useful => Math.Min(get_num_threads(), Environment.ProcessorCount);

    /// <summary>What to say where there are more than processors; null where there are not.</summary>
    /// <param name="device">Where the training computes.</param>
    /// <param name="group">The processes that train together, which share the processors of a machine; null for none.</param>
    public static string? Advice(Device device, ProcessGroup? group)
    {
        int threads = get_num_threads(), most = group?.ThreadsPerProcess ?? Environment.ProcessorCount;
        if (threads <= most)
            return null;
        if (group is not null)
        {
            return $"{group.LocalSize} processes of {threads} threads each are more than this machine has processors, which makes them " +
                $"several times slower: set OMP_NUM_THREADS={most} for all.";
        }

        return device.type != DeviceType.CPU ? null
            : $"{threads} threads are more than the {most} processor(s) that this process may use, which makes a training several times " +
                $"slower: set OMP_NUM_THREADS={most}, or call torch.set_num_threads({most}).";
    }
}
