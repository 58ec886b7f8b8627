using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The backbone of a <see cref="ResNet"/> that no longer learns: images to features, with batch norm folded into the convolutions. Half the
/// time of the network itself.
/// </summary>
internal sealed class FoldedResNet(FoldedConvolution stem, FoldedBlock[] blocks, bool roundsDown) : IDisposable
{
    /// <summary>Normalised images [batch, channels, height, width] to features [batch, features].</summary>
    public Tensor Run(Tensor images)
    {
        Tensor output = stem.Run(images);
        if (roundsDown)
            output = Layers.WithHalfTheSize(output, images);
        output = output.Then(x => ResNet.MaxPool(x, roundsDown)).relu_();
        foreach (FoldedBlock block in blocks)
            output = output.Then(block.Run);
        return output.Then(Layers.GlobalAveragePool);
    }

    public void Dispose()
    {
        stem.Dispose();
        foreach (FoldedBlock block in blocks)
            block.Dispose();
    }
}
