using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A classifier with a network of its own, with the same weights.</summary>
internal static class ClassifierCopy
{
    /// <param name="classifier">The classifier.</param>
    /// <param name="device">Where the copy is to run.</param>
    /// <param name="draw">Calls what makes the network, which draws random weights.</param>
    /// <returns>A copy, in evaluation mode.</returns>
    public static ImageClassifier Of(
        ImageClassifier classifier, Device device, Func<Func<nn.Module<Tensor, Tensor>>, nn.Module<Tensor, Tensor>> draw)
    {
        nn.Module<Tensor, Tensor> network = draw(
            () => NetworkArchitecture.Create(classifier.Architecture, classifier.NumberOfClasses, classifier.Shape)).to(device);
        ModuleWeights.Load(network, ModuleWeights.Of(classifier.Network));
        network.eval();
        return new ImageClassifier(classifier.Architecture, network, device, classifier.Shape, classifier.PixelType,
            new Normalization(classifier.Normalization.Statistics, device), classifier.NumberOfClasses)
        {
            Resizing = classifier.Resizing,
        };
    }
}
