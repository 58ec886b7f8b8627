namespace MLSharpness.Evidence.Summary;

/// <summary>A plot of curves; an error of 0 draws no bar.</summary>
internal sealed record Panel(string Title, string X, string Y, IReadOnlyList<IReadOnlyList<(double X, double Y, double Error)>> Curves)
{
    public bool LogarithmicX { get; init; }

    public bool LogarithmicY { get; init; }

    /// <summary>What stands at 0, 1 and so on of the horizontal axis in place of numbers; none for numbers.</summary>
    public IReadOnlyList<string> NamesX { get; init; } = [];

    /// <summary>The ends of the vertical axis, so that panels can be compared; otherwise what the curves need.</summary>
    public (double Minimum, double Maximum)? RangeY { get; init; }
}
