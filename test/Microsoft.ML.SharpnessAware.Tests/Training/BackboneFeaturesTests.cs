using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

[TestClass]
public sealed class BackboneFeaturesTests
{
    [TestMethod]
    public void TheHeadOnFeaturesGivesTheLogitsOfTheNetworkOnImagesAlsoOverSeveralBatches()
    {
        var mlContext = new MLContext(1);
        using var folder = new TemporaryFolder();
        using ImageDataset training = Load(300, seed: 1), validation = Load(130, seed: 2);
        using var classifier = new ImageClassifier(CountingNetwork.Name, new CountingNetwork(3), CPU, training.Shape, training.PixelType,
            new Normalization(PixelStatistics.FromData(training), CPU), training.NumberOfClasses);
        Assert.IsGreaterThan(classifier.BatchSize, training.Count);

        using BackboneFeatures features = BackboneFeatures.Compute(classifier, training, validation, () => { });
        AssertClose(classifier.Logits(training), features.Classifier.Logits(features.Training));
        AssertClose(classifier.Logits(validation), features.Classifier.Logits(features.Validation!));

        ImageDataset Load(int count, int seed) =>
            ImageDataset.Load(Fitted.View(mlContext, Shapes.Pixels(count, seed)), "Image", "Label", new(),
                cache: new PixelCache(folder.Path));
    }

    private static void AssertClose(float[] expected, float[] actual)
    {
        Assert.HasCount(expected.Length, actual);
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], 1e-5f);
    }
}
