namespace Microsoft.ML.SharpnessAware;

/// <summary>Which part of a pretrained network is trained.</summary>
public enum FineTuning
{
    /// <summary>
    /// First <see cref="HeadOnly"/>; then, within <c>Options.TimeBudget</c>, <see cref="Gentle"/> and <see cref="Full"/> on a part of the
    /// images, each compared with the head on the part that was held out. The one with the lowest log loss there is the model.
    /// </summary>
    Auto,

    /// <summary>
    /// The head alone, the last linear layer, on features from a single pass of each image through the backbone: seconds. Best for pictures
    /// like those that the network was pretrained on.
    /// </summary>
    HeadOnly,

    /// <summary>The head first, then the whole network in small steps, with batch norm left as the weights have it.</summary>
    Gentle,

    /// <summary>The whole network, batch norm included, with the step size of a training from scratch. Best for pictures unlike those that
    /// the network was pretrained on.</summary>
    Full,
}
