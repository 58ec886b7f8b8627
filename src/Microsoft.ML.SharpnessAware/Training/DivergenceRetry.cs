using System.Text;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Where asked to, goes back to the beginning of the epoch that diverged, with half the learning rate.</summary>
internal sealed class DivergenceRetry(
    OnDivergence onDivergence, TrainingState state, TrainingProgress progress, IChannel channel)
{
    private const int MaximumHalvings = 3;

    /// <summary>Whether the training may be tried again.</summary>
    public bool CanRestore => onDivergence == OnDivergence.RestoreAndHalve && progress.Halvings < MaximumHalvings;

    /// <summary>Keeps the state to go back to; in the middle of an epoch, where a checkpoint left off, that of its beginning is there
    /// already, except in files of earlier versions.</summary>
    public void Remember()
    {
        if (onDivergence != OnDivergence.RestoreAndHalve || (progress.Batch > 0 && state.EpochStart.Length > 0))
            return;
        state.EpochStart = [];
        using var memory = new MemoryStream();
        using (var writer = new BinaryWriter(memory, Encoding.UTF8, leaveOpen: true))
            state.Write(writer);
        state.EpochStart = memory.ToArray();
    }

    /// <summary>Goes back to it.</summary>
    public void Restore(TrainingDivergedException exception)
    {
        int halvings = progress.Halvings + 1;
        using (var reader = new BinaryReader(new MemoryStream(state.EpochStart, writable: false), Encoding.UTF8))
            state.Read(reader);
        progress.Halvings = halvings;
        string place = progress.Batch == 0 ? "the beginning" : $"step {progress.Step}";
        channel.Warning($"{exception.Message} The training goes back to {place} " +
            $"of epoch {progress.Epoch} and on with half the learning rate ({halvings} of at most {MaximumHalvings} times).");
    }
}
