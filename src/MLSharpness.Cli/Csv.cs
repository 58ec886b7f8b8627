using System.Text;

namespace MLSharpness.Cli;

/// <summary>Records of comma-separated values (RFC 4180: quotes around a comma, a quote or a line break).</summary>
internal static class Csv
{
    /// <summary>A record with its line break.</summary>
    public static string Line(IEnumerable<string> cells) => string.Join(',', cells.Select(Quoted)) + "\n";

    /// <summary>The next record; null at the end.</summary>
    /// <param name="reader">The file.</param>
    /// <param name="path">Its name, for errors.</param>
    /// <exception cref="InvalidDataException">It ends within quotes.</exception>
    public static string[]? Record(TextReader reader, string path)
    {
        var cells = new List<string>();
        var cell = new StringBuilder();
        bool quoted = false, any = false;
        for (int c = reader.Read(); ; c = reader.Read())
        {
            if (c < 0 && quoted)
                throw new InvalidDataException($"'{path}' ends within quotes.");
            if (c < 0 && !any)
                return null;
            if (quoted)
            {
                if (c != '"')
                    cell.Append((char)c);
                else if (reader.Peek() == '"')
                    cell.Append((char)reader.Read());
                else
                    quoted = false;
                continue;
            }

            if (c is '\n' && !any)
                continue;        // an empty line
            any |= c is not ('\r' or '\n');
            if (c == '"' && cell.Length == 0)
                quoted = true;
            else if (c is ',' or '\n' or < 0)
            {
                cells.Add(cell.ToString());
                cell.Clear();
                if (c != ',')
                    return [.. cells];
            }
            else if (c != '\r')
                cell.Append((char)c);
        }
    }

    private static string Quoted(string text) =>
        text.AsSpan().IndexOfAny(",\"\r\n") < 0 ? text : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
