using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Images and an untrained network as the trainer makes them.</summary>
internal sealed record PreparedTraining(ImageDataset Images, ImageClassifier Classifier) : IDisposable
{
    /// <summary>Those of a seed; torch's generator stays where it is then.</summary>
    public static PreparedTraining Of(IDataView data, int seed, string name)
    {
        var images = ImageDataset.Load(data, "Image", "Label", new ImageRequest(null, null, null));
        random.manual_seed(seed);
        nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(name, 3, images.Shape);
        return new(images, new ImageClassifier(name, network, CPU, images.Shape, images.PixelType,
            new Normalization(PixelStatistics.FromData(images), CPU), 3));
    }

    public void Dispose()
    {
        Images.Dispose();
        Classifier.Dispose();
    }
}
