using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The training that is left where a frozen backbone meets images that never change: of the head alone, on features that each image's one
/// way through the backbone gave. To the training loop it is a training like any other, of a one-layer network on "images" of
/// features × 1 × 1 values.
/// </summary>
internal sealed class BackboneFeatures : IDisposable
{
    private BackboneFeatures(ImageClassifier classifier, ImageDataset training, ImageDataset? validation)
    {
        Classifier = classifier;
        Training = training;
        Validation = validation;
    }

    /// <summary>The head as a classifier of features. Its weights are those of the network.</summary>
    public ImageClassifier Classifier { get; }

    public ImageDataset Training { get; }

    public ImageDataset? Validation { get; }

    /// <summary>Runs the backbone, in evaluation mode, over all images.</summary>
    /// <exception cref="InvalidOperationException">The network does not end with its head.</exception>
    public static BackboneFeatures Compute(
        ImageClassifier classifier, ImageDataset training, ImageDataset? validation, Action checkCancelled,
        ProcessGroup? group = null)
    {
        ClassificationHead.Of(classifier.Network, classifier.NumberOfClasses, classifier.Architecture);     // before all that
        using var backbone = new Backbone(classifier);
        ImageDataset trainingFeatures = Of(backbone, training, classifier.BatchSize, checkCancelled, group);
        ImageDataset? validationFeatures;
        try
        {
            validationFeatures = validation is null
                ? null
                : Of(backbone, validation, classifier.BatchSize, checkCancelled, group, trainingFeatures.Shape.Channels);
        }
        catch
        {
            trainingFeatures.Dispose();
            throw;
        }

        return Of(classifier, trainingFeatures, validationFeatures);
    }

    /// <summary>Of features that are there already, which are taken over.</summary>
    /// <exception cref="InvalidOperationException">The network does not end with its head.</exception>
    public static BackboneFeatures Of(ImageClassifier classifier, ImageDataset trainingFeatures, ImageDataset? validationFeatures)
    {
        ClassificationHead head = ClassificationHead.Of(classifier.Network, classifier.NumberOfClasses, classifier.Architecture);
        ImageShape shape = trainingFeatures.Shape;
        double[] zeros = new double[shape.Channels], ones = [.. Enumerable.Repeat(1.0, shape.Channels)];
        var unchanged = new PixelStatistics(zeros, ones, trainingFeatures.PixelType);
        var headClassifier = new ImageClassifier(classifier.Architecture, new HeadAlone(head.Layer), classifier.Device, shape,
            trainingFeatures.PixelType, new Normalization(unchanged, classifier.Device), classifier.NumberOfClasses)
        {
            OwnsNetwork = false,
        };
        return new BackboneFeatures(headClassifier, trainingFeatures, validationFeatures);
    }

    public void Dispose()
    {
        Classifier.Dispose();
        NativeModule.Release(Classifier.Network);
        Training.Dispose();
        Validation?.Dispose();
    }

    /// <summary>The features of all images, as pixels [N, features, 1, 1]. The processes of a group share the images out.</summary>
    public static ImageDataset Of(Backbone backbone, ImageDataset data, int batchSize, Action checkCancelled, ProcessGroup? group = null,
        int? numberOfFeatures = null)
    {
        if (data.SharedBy is not null)
        {
            using ImageDataset here = data.Here();
            return data.WithPixels(here.Count == 0 && numberOfFeatures is int known
                ? zeros([0, known, 1, 1], dtype: float32, device: CPU)
                : FeaturesOf(backbone, here, batchSize, checkCancelled, group: null));
        }
        return data.WithPixels(FeaturesOf(backbone, data, batchSize, checkCancelled, group));
    }

    private static Tensor FeaturesOf(
        Backbone backbone, ImageDataset data, int batchSize, Action checkCancelled, ProcessGroup? group)
    {
        (int part, int parts) = group is null ? (0, 1) : (group.Rank, group.Size);
        using DisposeScope scope = NewDisposeScope();
        Tensor? all = null; // made once the number of features is known, since joining batches at the end would take twice the memory
        for (long start = (long)part * batchSize; start < data.Count || all is null; start += (long)parts * batchSize)
        {
            checkCancelled();
            using DisposeScope batch = NewDisposeScope();
            bool isOthers = start >= data.Count;    // of few images, which tell the number of features all the same
            long first = isOthers ? 0 : start, count = Math.Min(batchSize, data.Count - first);
            Tensor features = backbone.Features(data.Batch(first, count));
            all ??= zeros([data.Count, features.shape[1], 1, 1], dtype: features.dtype, device: CPU).MoveToOuterDisposeScope();
            if (!isOthers)
                all.narrow(0, first, count).copy_(features.unsqueeze(2).unsqueeze(3));
        }
        if (group is not null)
            GradientExchange.Sum(group, all!);
        return all!.MoveToOuterDisposeScope();
    }

    /// <summary>The head, which stays another module's: it outlives this one.</summary>
    private sealed class HeadAlone : nn.Module<Tensor, Tensor>
    {
        private readonly Linear _head;

        public HeadAlone(Linear head)
            : base(nameof(HeadAlone))
        {
            _head = head;
            register_module("head", head);
        }

        public override Tensor forward(Tensor features) => features.flatten(1).Then(_head);
    }
}
