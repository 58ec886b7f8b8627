using System.Reflection;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;

namespace MLSharpness.Cli;

/// <summary>What columns say of the classes.</summary>
internal static class ClassNames
{
    private const string KeyValues = "KeyValues";

    /// <summary>The values of a key column as text, whatever their type; null for a key without values.</summary>
    public static string[]? OfKeys(DataViewSchema.Column column) =>
        column.Annotations.Schema.GetColumnOrNull(KeyValues)?.Type is VectorDataViewType values
            ? (string[])typeof(ClassNames).GetMethod(nameof(Read), BindingFlags.NonPublic | BindingFlags.Static)!
                .MakeGenericMethod(values.ItemType.RawType).Invoke(null, [column])!
            : null;

    /// <summary>The names of the slots of a column of scores; null where they have none.</summary>
    public static string[]? OfSlots(DataViewSchema.Column column)
    {
        if (!column.HasSlotNames())
            return null;
        VBuffer<ReadOnlyMemory<char>> names = default;
        column.GetSlotNames(ref names);
        return [.. names.DenseValues().Select(name => $"{name}")];
    }

    private static string[] Read<T>(DataViewSchema.Column column)
    {
        VBuffer<T> values = default;
        column.Annotations.GetValue(KeyValues, ref values);
        return [.. values.DenseValues().Select(ValueText.Of)];
    }
}
