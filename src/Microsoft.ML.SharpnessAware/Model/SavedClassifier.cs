namespace Microsoft.ML.SharpnessAware;

/// <summary>What a model file holds.</summary>
internal sealed record SavedClassifier(ImageClassifier Classifier, ClassifierDescription Description);
