using System.Globalization;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The trainer's label column, bound to a schema: a key, whose values 1 to count are the classes 0 to count - 1.</summary>
internal sealed class LabelColumn
{
    private const int MaxClasses = 1 << 20;

    private LabelColumn(DataViewSchema.Column column, int numberOfClasses) => (Column, NumberOfClasses) = (column, numberOfClasses);

    public DataViewSchema.Column Column { get; }

    public int NumberOfClasses { get; }

    public static LabelColumn Bind(DataViewSchema schema, string columnName)
    {
        DataViewSchema.Column column = NamedColumn.Find(schema, columnName, "label");
        if (column.Type is not KeyDataViewType key)
            throw WrongType(column.Name, column.Type.ToString()!);
        if (key.Count > MaxClasses)
        {
            throw new ArgumentOutOfRangeException(nameof(schema),
                $"Label column '{column.Name}' is a key of {key.Count} values, a hash perhaps; at most {MaxClasses} classes are possible. "
                + "Map the labels with MapValueToKey.");
        }

        return new LabelColumn(column, (int)key.Count);
    }

    /// <summary>Throws the same exception as <see cref="Bind"/> for a column of the wrong type, before there is data.</summary>
    public static void Check(SchemaShape.Column column)
    {
        if (!column.IsKey || column.Kind != SchemaShape.Column.VectorKind.Scalar)
            throw WrongType(column.Name, column.GetTypeString());
    }

    /// <summary>Reads the class, counted from 0, of a row or of each row of a cursor.</summary>
    public Func<long> OpenReader(DataViewRow row)
    {
        ValueGetter<ulong> getter = RowCursorUtils.GetGetterAs<ulong>(NumberDataViewType.UInt64, row, Column.Index);
        var source = new SourceRow(row);
        ulong key = 0;
        return () =>
        {
            getter(ref key);
            return key >= 1 && key <= (ulong)NumberOfClasses ? (long)key - 1 : throw Missing(source.Number, key);
        };
    }

    private static ArgumentOutOfRangeException WrongType(string columnName, string found) => new("schema",
        $"Label column '{columnName}': expected a key, the class of each row; found {found}. "
        + $"Map the values first: mlContext.Transforms.Conversion.MapValueToKey(\"{columnName}\").");

    private InvalidOperationException Missing(long number, ulong key) => new(string.Create(CultureInfo.InvariantCulture,
        $"Column '{Column.Name}', row {number} (counting from 0): the label is missing (key {key}; classes are 1 to {NumberOfClasses}). "
        + $"Give the row a label or leave it out. MapValueToKey gives this key to empty text, and to a value that was not in the "
        + $"data it was fitted on."));
}
