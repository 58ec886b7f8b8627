using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>What everything in one <c>Fit</c> shares: where it logs, whether it was cancelled, its random numbers, and the other processes
/// that train with this one, if there are any.</summary>
internal sealed record TrainingContext(
    IHost Host, IChannel Channel, int Seed, TorchRandom Random, CancellationToken CancellationToken = default,
    ProcessGroup? Group = null)
{
    /// <summary>What keeps the training within a time; null for none.</summary>
    public TimeLimit? TimeLimit { get; init; }

    /// <summary>What is trained, as the callback of the options is told; null where there is one training only.</summary>
    public string? Phase { get; init; }

    /// <summary>Whether the options' token or the MLContext was cancelled, in this process or another of the group. All have to
    /// ask.</summary>
    public bool AnyIsCancelled() => Group is null ? IsCancelled() : Group.SumOf(IsCancelled() ? 1 : 0).A > 0;

    /// <exception cref="OperationCanceledException">The options' token, or the MLContext, was cancelled.</exception>
    public void CheckCancelled()
    {
        CancellationToken.ThrowIfCancellationRequested();
        Host.CheckAlive();
    }

    private bool IsCancelled()
    {
        try
        {
            CheckCancelled();
            return false;
        }
        catch (OperationCanceledException)
        {
            return true;        // a host cannot be asked otherwise
        }
    }
}
