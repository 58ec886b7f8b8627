using System.Runtime.CompilerServices;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Counts the trainings that ML.NET's trainers begin, thread by thread. In a pipeline a step cannot see what was fitted before it, but
/// nearly every trainer opens a channel "Training" (LightGBM "Training with LightGBM", those of Microsoft.ML.TorchSharp "TrainModel") in
/// the same environment. So does MapValueToKey, which is no trainer; ML.NET's ImageClassification opens none, and is not seen.
/// </summary>
internal sealed class TrainingWatch : IDisposable
{
    private static readonly ConditionalWeakTable<object, TrainingWatch> Watches = [];

    private readonly ThreadLocal<long> _begun = new();

    private TrainingWatch(HostEnvironmentBase<LocalEnvironment> environment) => environment.AddListener<ChannelMessage>((source, message) =>
    {
        if (message.Message == "Channel started" && IsOfTrainer(source.FullName))
            _begun.Value++;
    });

    /// <summary>The one watch of an environment; null where this is not of ML.NET's own kind.</summary>
    public static TrainingWatch? Of(IHostEnvironment environment) =>
        environment is HostEnvironmentBase<LocalEnvironment> host ? Watches.GetValue(host, _ => new TrainingWatch(host)) : null;

    /// <summary>How many trainings this thread has begun since the watch was made.</summary>
    public long Begun => _begun.Value;

    public void Dispose() => _begun.Dispose();

    private static bool IsOfTrainer(string channel) =>
        (channel.Contains("; Training", StringComparison.Ordinal) || channel.EndsWith("; TrainModel", StringComparison.Ordinal))
        && !channel.EndsWith("Term; Training", StringComparison.Ordinal);
}
