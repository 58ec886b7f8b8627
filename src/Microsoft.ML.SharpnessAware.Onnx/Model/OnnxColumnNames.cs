namespace Microsoft.ML.SharpnessAware;

/// <summary>The names of the columns that are read and added.</summary>
internal sealed record OnnxColumnNames(string Feature, string Score, string PredictedLabel);
