using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Receives each row that is measured, in the order of the data. Rows that are left out do not come.</summary>
/// <param name="position">Where the row lies in the data, counted from 0.</param>
/// <param name="id">What identifies the row in another pass.</param>
/// <param name="label">The true class, counted from 0 in the order of the scores.</param>
/// <param name="probabilities">The probabilities of the classes.</param>
/// <param name="sides">What the other columns that were asked for say of the row.</param>
/// <param name="cluster">What the row belongs to; -1 where that was not asked.</param>
internal delegate void MeasuredRow(
    long position, DataViewRowId id, int label, ReadOnlySpan<float> probabilities, ReadOnlySpan<int> sides, int cluster);
