namespace Microsoft.ML.SharpnessAware;

/// <summary>Which part of a pretrained network is trained.</summary>
public enum FineTuning
{
    /// <summary>
    /// First <see cref="HeadOnly"/>; then, within <c>Options.TimeBudget</c>, the whole network on a part of the images: <see
    /// cref="Gentle"/> in steps three times as large, which is far ahead on pictures unlike those of the pretraining and is given up after
    /// three epochs where it is far behind the head; <see cref="Gentle"/>; and <see cref="Full"/>. Each is compared on the part that was
    /// held out, and takes the place of the head, or of an earlier one, only where its log loss there is lower beyond chance (by a paired
    /// comparison at 95 %). Where time is short, epochs without a climb take the place of half as many with one. Fine-tuning
    /// goes on without one that diverges, with a warning.
    /// </summary>
    Auto,

    /// <summary>
    /// The head alone, the last linear layer, on features from a single pass of each image through the backbone: seconds. Best for pictures
    /// like those that the network was pretrained on.
    /// </summary>
    HeadOnly,

    /// <summary>The head first, then the whole network in small steps (AdamW, learning rate 0.001, a tenth of it below the head), on
    /// pictures changed by <see cref="Augmentation.Light"/>, with batch norm left as the weights have it: on three sets of pictures never
    /// much worse than the head, and much better on two (docs/evidence.md). On pictures unlike those of the pretraining
    /// <c>BaseOptimizer = new BaseOptimizer.AdamW(0.003)</c> may be better still.</summary>
    Gentle,

    /// <summary>The whole network at once, batch norm included: ten epochs by SGD, learning rate 0.02, in batches of an eighth of the
    /// images, at least 16 and at most <c>Options.BatchSize</c>. With 20 pictures a class <see cref="Gentle"/> was better on both sets of
    /// pictures on which these settings were tried (docs/evidence.md); with thousands they have not been measured.</summary>
    Full,
}
