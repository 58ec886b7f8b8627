using System.Text;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Everything that the rest of a training depends on: counters, weights and running statistics, the optimiser's momentum or moments, what
/// early stopping has seen, and the state of torch's random numbers (dropout). The order of the images and their augmentation are drawn
/// from the seed and the epoch, and need no state.
/// </summary>
internal sealed class TrainingState(TrainingProgress progress, nn.Module network, TrainedPart part, BestWeights best, TorchRandom random)
{
    // *** Binary format ***
    // progress: counters and history
    // bool, and where true int: whether there is an optimiser, and the epoch that it is of
    // optimiser's state, and that of the average of weights where the options ask for one
    // byte[]: the network's weights and buffers (safetensors), with their length
    // early stopping
    // byte[]: random state, with its length
    // from version 3, double[]: the refinements of the history, with their number
    // from version 5, byte[]: in the middle of an epoch that may be tried again, this state at its beginning; its length, 0 elsewhere

    /// <summary>The state at the beginning of the epoch, where a training that diverges goes back to it; else empty.</summary>
    public byte[] EpochStart { get; set; } = [];

    public void Write(BinaryWriter writer)
    {
        progress.Write(writer);
        part.Write(writer);
        using (var weights = new MemoryStream())
        {
            ModuleWeights.Save(network, weights);
            writer.WriteBytes(weights.GetBuffer().AsSpan(0, (int)weights.Length));
        }

        best.Write(writer);
        writer.WriteBytes(random.State);
        progress.WriteRefinements(writer);
        writer.WriteBytes(progress.Batch > 0 ? EpochStart : []);
    }

    /// <summary>Gives all processes of a group the state of the first, where that has read one.</summary>
    /// <returns>Whether it had.</returns>
    public bool TakeFromFirst(ProcessGroup group, bool hasRead)
    {
        using var memory = new MemoryStream();
        if (group.Rank == 0 && hasRead)
        {
            using var writer = new BinaryWriter(memory, Encoding.UTF8, leaveOpen: true);
            Write(writer);
        }
        long length = (long)group.SumOf(group.Rank == 0 ? memory.Length : 0).A;
        if (length == 0)
            return false;
        memory.SetLength(length);
        group.Broadcast(memory.GetBuffer().AsSpan(0, (int)length));
        if (group.Rank == 0)
            return true;
        memory.Position = 0;
        using var reader = new BinaryReader(memory, Encoding.UTF8, leaveOpen: true);
        Read(reader);
        return true;
    }

    /// <exception cref="InvalidDataException">The state is damaged or of another network. The training must not continue.</exception>
    /// <exception cref="IOException">It ends early.</exception>
    /// <exception cref="FormatException">It holds what cannot be read.</exception>
    public void Read(BinaryReader reader, int version = CheckpointFile.Version)
    {
        progress.Read(reader);
        part.Read(reader, version);
        using (var weights = new MemoryStream(reader.ReadBytesWithLength()))
            ModuleWeights.Load(network, weights);
        best.Read(reader, version);
        if (best.Epoch > progress.History.Count)
            throw new InvalidDataException($"The checkpoint is damaged: its best epoch is {best.Epoch}, and it has " +
                $"{progress.History.Count}.");
        random.State = reader.ReadBytesWithLength();
        if (version >= CheckpointFile.VersionRefinements)
            progress.ReadRefinements(reader);
        EpochStart = version >= CheckpointFile.VersionEpochStart ? reader.ReadBytesWithLength() : [];
    }
}
