namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Training with Mixup and CutMix, where an image has two labels.</summary>
[TestClass]
public sealed class MixedLabelTests
{
    [TestMethod]
    public void MixedLabelsTrainReproduciblyAndLearn()
    {
        float[][] Train(out double accuracy)
        {
            var mlContext = new MLContext(3);
            IDataView data = Fitted.View(mlContext, Shapes.Pixels(96));
            using var model = Fitted.Model(mlContext, data, options =>
            {
                options.Augmentation = new() { Mixup = 0.5, CutMix = 1, Rotation = 5, ColorJitter = new(0.2, 0.2, 0.2, 0.1) };
                options.Epoch = 6;
            });
            IDataView scored = model.Transform(data);
            accuracy = mlContext.MulticlassClassification.Evaluate(scored).MacroAccuracy;
            return Fitted.Scores(mlContext, scored);
        }

        float[][] first = Train(out double accuracy), again = Train(out _);
        CollectionAssert.AreEqual(first.SelectMany(row => row).ToArray(), again.SelectMany(row => row).ToArray());
        Assert.IsGreaterThan(0.8, accuracy);
    }

    [TestMethod]
    public void MixedLabelsGiveAHigherTrainingLossThanTheImagesThemselves()
    {
        double LastLoss(Augmentation augmentation)
        {
            var mlContext = new MLContext(3);
            using var model = Fitted.Model(mlContext, Fitted.View(mlContext, Shapes.Pixels(96)), options =>
            {
                options.Augmentation = augmentation;
                options.Epoch = 6;
            });
            return model.History[^1].TrainLoss;
        }

        Assert.IsGreaterThan(LastLoss(Augmentation.None) + 0.2, LastLoss(new() { Mixup = 8 }));
    }

    [TestMethod]
    public void TheSecondLabelOfAMixedImageIsThatOfTheImageBeforeIt()
    {
        var mlContext = new MLContext(3);
        var loss = new RecordingLoss();
        using var model = Fitted.Model(mlContext, Fitted.View(mlContext, Shapes.Pixels(30)), options =>
        {
            (options.Augmentation, options.Loss, options.Method) = (new() { CutMix = 1 }, loss, SharpnessAwareMethod.Standard);
            options.Epoch = 1;
        });
        Assert.IsGreaterThanOrEqualTo(4, loss.Labels.Count);
        for (int step = 0; step < loss.Labels.Count; step += 2)
        {
            long[] first = loss.Labels[step];
            CollectionAssert.AreEqual(new[] { first[^1] }.Concat(first[..^1]).ToArray(), loss.Labels[step + 1]);
            CollectionAssert.AreNotEqual(first, loss.Labels[step + 1]);
        }
    }

    /// <summary>Cross entropy that notes the labels of each call.</summary>
    private sealed record RecordingLoss : ClassificationLoss
    {
        public List<long[]> Labels { get; } = [];

        public override TorchSharp.torch.Tensor PerSample(TorchSharp.torch.Tensor logits, TorchSharp.torch.Tensor labels)
        {
            Labels.Add(labels.data<long>().ToArray());
            return new CrossEntropy().PerSample(logits, labels);
        }
    }
}
