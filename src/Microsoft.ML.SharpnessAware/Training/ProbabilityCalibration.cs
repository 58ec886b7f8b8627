namespace Microsoft.ML.SharpnessAware;

/// <summary>How the trained network's probabilities are calibrated on the validation images.</summary>
public enum ProbabilityCalibration
{
    /// <summary>Score is the softmax of the network's logits.</summary>
    None,

    /// <summary>
    /// Temperature scaling (Guo et al. 2017): Score is softmax(logits / T), with T the minimiser of the validation images' log loss, one
    /// image more counted, half of it as the network says and half with all classes alike. Never changes the predicted class. It wants
    /// about 100 validation images (docs/evidence.md).
    /// </summary>
    Temperature,
}
