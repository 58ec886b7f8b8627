namespace Microsoft.ML.SharpnessAware;

/// <summary>A kind of calibrator in a model file.</summary>
/// <param name="Tag">The byte that stands for it. Never given to another kind.</param>
/// <param name="Read">Reads what the calibrator's <see cref="MulticlassCalibrator.Write"/> wrote.</param>
internal sealed record CalibratorKind(byte Tag, Func<CalibratorReader, MulticlassCalibrator> Read);
