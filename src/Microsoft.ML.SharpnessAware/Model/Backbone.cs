using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A network without its head, in evaluation mode and with the weights that it has now: from images to features. Batch norm is folded into
/// the convolutions where the network is one that allows it.
/// </summary>
internal sealed class Backbone : IDisposable
{
    private readonly ImageClassifier _classifier;
    private readonly ClassificationHead _head;
    private readonly FoldedResNet? _folded;
    private readonly Lock _running = new();

    /// <exception cref="InvalidOperationException">The network has no head that could be told.</exception>
    public Backbone(ImageClassifier classifier)
    {
        _classifier = classifier;
        _head = ClassificationHead.Of(classifier.Network, classifier.NumberOfClasses, classifier.Architecture);
        _folded = (classifier.Network as ResNet)?.FoldBackbone();
        classifier.Network.eval();
    }

    /// <summary>Features of an image.</summary>
    public int FeatureCount => (int)_head.Layer.weight.shape[1];

    /// <summary>Raw pixels [n, C, H, W] to features [n, features] on the network's device. May run on several threads.</summary>
    /// <exception cref="InvalidOperationException">The network does not end with its head.</exception>
    public Tensor Features(Tensor pixels)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGradient = no_grad();
        Tensor images = _classifier.Prepare(pixels);
        return (_folded?.Run(images) ?? Unfolded(images)).MoveToOuterDisposeScope();
    }

    /// <summary>One at a time: what is given to the head is caught on its way, and it would be the images of whichever thread came
    /// by.</summary>
    private Tensor Unfolded(Tensor images)
    {
        lock (_running)
            return _head.Features(_classifier.Run, images);
    }

    public void Dispose() => _folded?.Dispose();
}
