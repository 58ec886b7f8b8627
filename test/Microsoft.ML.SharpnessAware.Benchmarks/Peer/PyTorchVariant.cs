namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>A way to run PyTorch.</summary>
/// <param name="Name">What a table calls it.</param>
/// <param name="Argument">What the script calls it.</param>
/// <param name="KeepsMemory">With a C library that keeps freed memory, as <see cref="AllocatorTuning"/> does here.</param>
internal sealed record PyTorchVariant(string Name, string Argument, bool KeepsMemory)
{
    /// <summary>As it is installed.</summary>
    public static readonly PyTorchVariant Eager = new("eager", "plain", KeepsMemory: false);

    public static readonly PyTorchVariant ChannelsLast = new("channels_last", "channels_last", KeepsMemory: true);

    /// <summary>The network by torch.compile.</summary>
    public static readonly PyTorchVariant Compiled = new("compiled", "compiled", KeepsMemory: true);

    public static readonly IReadOnlyList<PyTorchVariant> All = [Eager, ChannelsLast, Compiled];
}
