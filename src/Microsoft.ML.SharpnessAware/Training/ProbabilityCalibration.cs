namespace Microsoft.ML.SharpnessAware;

/// <summary>How the trained network's probabilities are calibrated on the validation images.</summary>
public enum ProbabilityCalibration
{
    /// <summary>Score is the softmax of the network's logits.</summary>
    None,

    /// <summary>
    /// Temperature scaling (Guo et al. 2017): Score is softmax(logits / T), with T the minimiser of the validation images' log loss, the
    /// network's own probabilities counted as one image more. Never changes the predicted class. It wants about 100 validation images
    /// (docs/evidence.md).
    /// </summary>
    Temperature,
}
