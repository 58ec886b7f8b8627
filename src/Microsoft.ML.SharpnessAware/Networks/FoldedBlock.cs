using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A residual block of folded convolutions: a path with ReLU between them, added to the input or to a convolution of it.</summary>
internal sealed class FoldedBlock(FoldedConvolution[] path, FoldedConvolution? shortcut, bool roundsDown) : IDisposable
{
    public Tensor Run(Tensor input)
    {
        Tensor output = First(path[0], input);
        foreach (FoldedConvolution convolution in path.AsSpan(1))
            output = output.relu_().Then(convolution.Run);
        using Tensor? other = shortcut is null ? null : First(shortcut, input);
        return output.add_(other ?? input, FixedScalars.One).relu_();
    }

    public void Dispose()
    {
        foreach (FoldedConvolution convolution in path)
            convolution.Dispose();
        shortcut?.Dispose();
    }

    private Tensor First(FoldedConvolution convolution, Tensor input) =>
        roundsDown ? Layers.WithHalfTheSize(convolution.Run(input), input) : convolution.Run(input);
}
