namespace Microsoft.ML.SharpnessAware;

/// <summary>What a training that starts from weights changes.</summary>
public enum FineTuning
{
    /// <summary>
    /// First <see cref="HeadOnly"/>; then, within <c>Options.TimeBudget</c>, <see cref="Gentle"/> and <see cref="Full"/> on a part of the images,
    /// each compared with the head on the part that was held out. The one with the lowest log loss there is the model.
    /// </summary>
    Auto,

    /// <summary>
    /// The head alone, the last linear layer, on features that each image's one way through the backbone gave: seconds. Best where the pictures
    /// are like those that the weights were trained on.
    /// </summary>
    HeadOnly,

    /// <summary>The head first, then the whole network by small steps, with batch norm as the weights have it.</summary>
    Gentle,

    /// <summary>The whole network, batch norm included, by the steps of a training from scratch. Best where the pictures are unlike those that
    /// the weights were trained on.</summary>
    Full,
}
