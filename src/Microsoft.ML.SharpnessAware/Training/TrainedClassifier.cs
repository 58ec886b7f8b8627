namespace Microsoft.ML.SharpnessAware;

/// <summary>What a training gives.</summary>
/// <param name="Classifier">With its weights.</param>
/// <param name="Temperature">1 where none was fitted.</param>
/// <param name="History">One entry for each epoch.</param>
/// <param name="Method">What it was trained by, which fine-tuning chooses where the user does not.</param>
internal sealed record TrainedClassifier(
    ImageClassifier Classifier, double Temperature, IReadOnlyList<EpochMetrics> History, SharpnessAwareMethod Method);
