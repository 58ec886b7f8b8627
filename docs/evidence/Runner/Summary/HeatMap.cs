namespace MLSharpness.Evidence.Summary;

/// <summary>A grid of numbers, [column, row], and the numbers at both ends of the colours.</summary>
internal sealed record HeatMap(string Title, string X, string Y, string[] Columns, string[] Rows, double[,] Values, double Minimum,
    double Maximum)
{
    public string Format { get; init; } = "F0";

    /// <summary>Whether small numbers are the bright ones.</summary>
    public bool Reversed { get; init; }
}
