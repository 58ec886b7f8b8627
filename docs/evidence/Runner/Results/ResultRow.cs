using System.Globalization;

namespace MLSharpness.Evidence.Results;

/// <summary>A row of a <see cref="ResultFile"/>.</summary>
internal sealed class ResultRow(string[] columns, string[] cells)
{
    public string this[string column] => cells[IndexOf(column)];

    public double Number(string column) => double.Parse(this[column], CultureInfo.InvariantCulture);

    /// <summary>The same with another text in a column.</summary>
    public ResultRow With(string column, string text)
    {
        string[] changed = [.. cells];
        changed[IndexOf(column)] = text;
        return new(columns, changed);
    }

    private int IndexOf(string column)
    {
        int index = Array.IndexOf(columns, column);
        return index >= 0 ? index : throw new ArgumentException($"There is no column '{column}'. There are {string.Join(", ", columns)}.");
    }
}
