namespace Microsoft.ML.SharpnessAware;

/// <summary>How the trained network's probabilities are calibrated on the validation images.</summary>
public enum ProbabilityCalibration
{
    /// <summary>Score is the softmax of the network's logits.</summary>
    None,

    /// <summary>
    /// Temperature scaling (Guo et al. 2017): Score is softmax(logits / T), with T the minimiser of the validation images' log loss and
    /// a prior that holds T near 1 where there are few of them, unless a cross-fit of the images shows that T to do harm; as
    /// <see cref="MulticlassCalibratorsCatalog.Temperature"/> does. Never changes the predicted class. It wants about 100 validation images
    /// (docs/evidence.md); with fewer a warning says so. The T of a head that is fitted on features of a pretrained network (<see
    /// cref="FineTuning.HeadOnly"/>, and Auto where the head is the model) has no such prior and no cross-fit of T: it has the least log
    /// loss of the held-out images where two more had been seen of which nothing is known.
    /// </summary>
    Temperature,
}
