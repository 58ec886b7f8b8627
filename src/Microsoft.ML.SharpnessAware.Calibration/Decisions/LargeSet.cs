using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A prediction set worth showing.</summary>
/// <param name="Row">The position of its row in the data view, counted from 0.</param>
/// <param name="Id">The row's identity, which stays the same in another pass.</param>
/// <param name="Label">The true class, counted from 0 in the order of the sets' keys.</param>
/// <param name="Holds">Whether it is in the set.</param>
/// <param name="Size">How many classes are.</param>
/// <param name="First">The first of them.</param>
internal sealed record LargeSet(long Row, DataViewRowId Id, int Label, bool Holds, int Size, int[] First);
