namespace Microsoft.ML.SharpnessAware;

/// <summary>What a training gives.</summary>
internal sealed record TrainedClassifier(ImageClassifier Classifier, double Temperature, IReadOnlyList<EpochMetrics> History);
