namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>A table in Markdown, a line of which is written as soon as it is known.</summary>
internal sealed class Table
{
    private readonly int[] _widths;

    public Table(params string[] columns)
    {
        _widths = [.. columns.Select((column, i) => Math.Max(column.Length, i == 0 ? 32 : 8))];
        Add(columns);
        Add([.. _widths.Select(width => new string('-', width))]);
    }

    public void Add(params string[] cells) => Console.WriteLine(
        $"| {string.Join(" | ", cells.Select((cell, i) => i == 0 ? cell.PadRight(_widths[i]) : cell.PadLeft(_widths[i])))} |");
}
