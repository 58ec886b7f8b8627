using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>A column of vectors that is read for the work behind it.</summary>
internal static class VectorColumn
{
    public static void Read(IDataView data, string name)
    {
        DataViewSchema.Column column = data.Schema[name];
        using DataViewRowCursor cursor = data.GetRowCursor([column]);
        ValueGetter<VBuffer<float>> getter = cursor.GetGetter<VBuffer<float>>(column);
        VBuffer<float> values = default;
        while (cursor.MoveNext())
            getter(ref values);
    }
}
