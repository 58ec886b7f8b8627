using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A row worth showing.</summary>
/// <param name="Row">Its position in the data view, counted from 0.</param>
/// <param name="Id">Its identity, which stays the same in another pass.</param>
/// <param name="Label">The true class, counted from 0.</param>
/// <param name="Predicted">The predicted class.</param>
/// <param name="Confidence">The probability of the predicted class.</param>
/// <param name="LabelProbability">The probability of the true class.</param>
internal readonly record struct ReportRow(
    long Row, DataViewRowId Id, int Label, int Predicted, float Confidence, float LabelProbability);
