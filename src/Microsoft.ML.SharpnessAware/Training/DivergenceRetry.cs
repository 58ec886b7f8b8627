using System.Text;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Where asked to, goes back to the beginning of the epoch that diverged, with half the learning rate.</summary>
internal sealed class DivergenceRetry(
    OnDivergence onDivergence, TrainingState state, TrainingProgress progress, IChannel channel) : IDisposable
{
    private const int MaximumHalvings = 3;

    private readonly MemoryStream _memory = new();

    /// <summary>Whether the training may be tried again.</summary>
    public bool CanRestore => onDivergence == OnDivergence.RestoreAndHalve && progress.Halvings < MaximumHalvings;

    /// <summary>Keeps the state to go back to.</summary>
    public void Remember()
    {
        if (onDivergence != OnDivergence.RestoreAndHalve)
            return;
        _memory.SetLength(0);
        using var writer = new BinaryWriter(_memory, Encoding.UTF8, leaveOpen: true);
        state.Write(writer);
    }

    /// <summary>Goes back to it.</summary>
    public void Restore(TrainingDivergedException exception)
    {
        int halvings = progress.Halvings + 1;
        _memory.Position = 0;
        using (var reader = new BinaryReader(_memory, Encoding.UTF8, leaveOpen: true))
            state.Read(reader);
        progress.Halvings = halvings;
        channel.Warning($"{exception.Message} The training goes back to the beginning of epoch {progress.Epoch} and on with half the "
            + $"learning rate ({halvings} of at most {MaximumHalvings} times).");
    }

    public void Dispose() => _memory.Dispose();
}
