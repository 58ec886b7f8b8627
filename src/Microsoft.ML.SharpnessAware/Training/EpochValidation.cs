namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The validation images and what the network says of them. They go through the network once for each state of its weights; metrics,
/// early stopping, the checkpoint's temperature and the final one all read the same logits. The processes of a group share them out, and
/// all have all logits.
/// </summary>
internal sealed class EpochValidation(
    ImageClassifier classifier, ImageDataset images, TorchRandom? random, ProcessGroup? group, Action checkCancelled)
{
    private readonly int[] _labels = Labels(images, classifier.NumberOfClasses);
    private float[]? _logits;

    public long Count => _labels.Length;

    /// <summary>
    /// Logits [rows × classes], row-major, of the network as it was when they were first asked for since <see cref="Forget"/>.
    /// </summary>
    public float[] Logits => _logits ??= Run();

    /// <summary>Accuracy, log loss and calibration errors before temperature scaling.</summary>
    public MulticlassCalibrationMetrics Metrics() => LogitMetrics.Of(Logits, _labels, classifier.NumberOfClasses);

    /// <summary>The log loss at the temperature that makes it least.</summary>
    public double Refinement() => TemperatureScaling.LeastLogLoss(Logits, _labels, classifier.NumberOfClasses);

    /// <summary>The temperature that calibrates the network.</summary>
    public double FitTemperature() => TemperatureScaling.FitWithPrior(Logits, _labels, classifier.NumberOfClasses);

    /// <summary>To be called when the weights have changed.</summary>
    public void Forget() => _logits = null;

    private static int[] Labels(ImageDataset images, int classes)
    {
        // Before the first epoch, not after it.
        LogitArray.Length(images.Count, classes, "Give a smaller ValidationSet or ValidationSetFraction.");
        return images.LabelArray();
    }

    private float[] Run()
    {
        classifier.Network.eval();
        float[] logits = random is null ? OwnPart() : random.Draw(OwnPart);
        group?.AllReduceSum(logits);
        return logits;
    }

    /// <summary>The logits of the images that are this process' to score, and zeros for the others.</summary>
    private float[] OwnPart()
    {
        if (images.SharedBy is null)
            return group is null ? classifier.Logits(images, checkCancelled: checkCancelled)
                : classifier.Logits(images, group.Rank, group.Size);

        using ImageDataset here = images.Here();
        float[] own = classifier.Logits(here), all = new float[_labels.Length * classifier.NumberOfClasses];
        int classes = classifier.NumberOfClasses, next = 0;
        foreach (long row in images.Owners!.Own)
            own.AsSpan(next++ * classes, classes).CopyTo(all.AsSpan((int)row * classes));
        return all;
    }
}
