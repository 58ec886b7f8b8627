using System.Reflection;
using System.Text;
using static TorchSharp.torch;
using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace Microsoft.ML.SharpnessAware;

/// <summary>What the processes of a group must have in common: before they train, all that the training depends on; after it, the
/// model.</summary>
internal static class ProcessGroupChecks
{
    /// <summary>Compares what has to be known of before the data are read: who reads which rows.</summary>
    /// <exception cref="InvalidOperationException">It differs.</exception>
    public static void SameSharding(Options options)
    {
        if (options.Group is not { } group)
            return;
        (double first, double all, _) = group.SumOf(group.Rank == 0 ? (int)options.Sharding : 0, (int)options.Sharding);
        if (all != group.Size * first)
        {
            throw new InvalidOperationException(
                $"{nameof(options.Sharding)} is not the same for all processes: it is {options.Sharding} here, in process {group.Rank}, " +
                $"and {(DataSharding)(int)first} in process 0.");
        }
    }

    /// <summary>Compares data, options, versions and threads with those of the first process.</summary>
    /// <exception cref="InvalidOperationException">They differ; the message says in what.</exception>
    public static void SameTraining(Options options, RunFingerprint? fingerprint)
    {
        if (options.Group is not { } group)
            return;
        fingerprint!.CheckSame(group,
            ("version of Microsoft.ML.SharpnessAware", VersionOf(typeof(Options))),
            ("version of TorchSharp", VersionOf(typeof(TorchSharp.torch))),
            ("number of torch's threads (OMP_NUM_THREADS)", get_num_threads()),
            (nameof(options.SharedAscent), options.SharedAscent),
            (nameof(options.Calibration), options.Calibration));
    }

    /// <summary>Compares weights with those of the first process.</summary>
    /// <exception cref="InvalidOperationException">They differ.</exception>
    public static void SameModel(ProcessGroup? group, nn.Module network, double temperature = 1)
    {
        if (group is null)
            return;
        byte[] own = Encoding.ASCII.GetBytes(
            $"{TensorContent.Hash(network.state_dict())} {BitConverter.DoubleToInt64Bits(temperature):X16}");
        byte[] first = [.. own];
        group.Broadcast(first);
        if (!first.AsSpan().SequenceEqual(own))
        {
            throw new InvalidOperationException(
                $"The weights of process {group.Rank} are no longer those of process 0. The processors of the two machines compute " +
                "differently, perhaps: set the environment variable ATEN_CPU_CAPABILITY to the same, avx2 for example, for all " +
                "processes. A network or loss of your own must not depend on the time, the machine or random numbers that are not " +
                "torch's.");
        }
    }

    private static string VersionOf(Type type) =>
        type.Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "";
}
