namespace MLSharpness.Cli;

/// <summary>A line that the next one is written over.</summary>
internal static class RewrittenLine
{
    /// <summary>As wide as the terminal but for one column: it covers what was there, and does not go on in another line, which a carriage
    /// return would leave behind.</summary>
    public static string Of(string line, int width)
    {
        int columns = Math.Max(0, width - 1);
        return line.Length > columns ? line[..columns] : line.PadRight(columns);
    }
}
