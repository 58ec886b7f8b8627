namespace Microsoft.ML.SharpnessAware;

/// <summary>A row shown in a report, with its image and path where the data has them.</summary>
internal sealed record ReportExample(ReportRow Scored, string TrueClass, string PredictedClass, string? Path, Thumbnail? Image);
