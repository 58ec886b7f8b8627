namespace Microsoft.ML.SharpnessAware;

/// <summary>Whose gradient the weights climb along where a mini-batch comes in micro-batches.</summary>
public enum Ascent
{
    /// <summary>One climb along the gradient of the whole mini-batch: the step is that of one large batch.</summary>
    WholeBatch,

    /// <summary>
    /// Each micro-batch climbs along its own gradient, and the gradients there are averaged: m-sharpness (Foret et al. 2021, section 4.1),
    /// with m the size of a micro-batch. SSAM's norms are those of the averaged gradients g and g̃,
    /// and for an adaptive method ‖|w|g‖ and ‖|w|g̃‖, with w for both: each part has a w̃ of its own.
    /// </summary>
    PerMicroBatch,
}
