using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>What everything in one <c>Fit</c> shares: where it logs, whether it was cancelled, and its random numbers.</summary>
internal sealed record TrainingContext(
    IHost Host, IChannel Channel, int Seed, TorchRandom Random, CancellationToken CancellationToken = default)
{
    /// <exception cref="OperationCanceledException">The options' token, or the MLContext, was cancelled.</exception>
    public void CheckCancelled()
    {
        CancellationToken.ThrowIfCancellationRequested();
        Host.CheckAlive();
    }
}
