using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>What is said in the log of a context.</summary>
internal static class LogListener
{
    /// <summary>Adds each warning from now on to a list.</summary>
    public static void CollectWarnings(this MLContext mlContext, ICollection<string> warnings) => mlContext.Log += (_, log) =>
    {
        if (log.Kind != ChannelMessageKind.Warning)
            return;
        lock (warnings)
            warnings.Add(log.RawMessage);
    };
}
