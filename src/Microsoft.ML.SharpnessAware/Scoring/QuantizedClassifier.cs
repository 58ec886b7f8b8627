namespace Microsoft.ML.SharpnessAware;

/// <summary>A graph that computes in small integers, and what that did.</summary>
internal sealed record QuantizedClassifier(OnnxFileWriter File, OnnxQuantizationReport Report);
