using System.Globalization;
using System.Text;
using Microsoft.ML.SharpnessAware;

namespace MLSharpness.Evidence.Results;

/// <summary>A CSV file of runs. Each row is on disk, whole, before the next one is added; rows are sorted by their keys.</summary>
internal sealed class ResultFile
{
    private readonly string _path;
    private readonly string[] _columns;
    private readonly int _keys;
    private readonly Dictionary<string, string[]> _rows = [];

    /// <summary>Opens a file, or begins one.</summary>
    /// <exception cref="InvalidDataException">The file has other columns, or a row that does not fit them.</exception>
    public ResultFile(string path, IReadOnlyList<string> keys, IReadOnlyList<string> values)
    {
        _path = path;
        _columns = [.. keys, .. values];
        _keys = keys.Count;
        if (!File.Exists(path))
            return;

        string[] lines = File.ReadAllLines(path);
        if (lines.Length == 0 || lines[0] != string.Join(',', _columns))
            throw new InvalidDataException($"'{path}' has other columns than this version writes: {string.Join(',', _columns)}. Move it " +
                "away to begin anew.");
        for (int i = 1; i < lines.Length; i++)
        {
            string[] cells = lines[i].Split(',');
            if (cells.Length != _columns.Length)
                throw new InvalidDataException($"Line {i + 1} of '{path}' has {cells.Length} values in place of {_columns.Length}.");
            _rows[KeyOf(cells)] = cells;
        }
    }

    /// <summary>The rows of a file whatever its columns; none where there is no file.</summary>
    public static IReadOnlyList<ResultRow> Read(string path)
    {
        if (!File.Exists(path))
            return [];
        string[][] lines = [.. File.ReadAllLines(path).Select(line => line.Split(','))];
        return [.. lines.Skip(1).Select(cells => new ResultRow(lines[0], cells))];
    }

    /// <summary>The rows as key and values by column name.</summary>
    public IReadOnlyList<ResultRow> Rows
    {
        get
        {
            lock (_rows)
                return [.. _rows.Values.Select(cells => new ResultRow(_columns, cells))];
        }
    }

    public bool Contains(IReadOnlyList<string> key)
    {
        lock (_rows)
            return _rows.ContainsKey(string.Join(',', key));
    }

    /// <summary>Adds a row and writes the file anew beside itself, so that it is complete whatever happens.</summary>
    public void Add(IReadOnlyList<string> key, IReadOnlyList<double> values)
    {
        string[] cells = [.. key, .. values.Select(value => value.ToString("G6", CultureInfo.InvariantCulture))];
        if (cells.Length != _columns.Length || cells.Any(cell => cell.Contains(',')))
            throw new ArgumentException($"A row of {Path.GetFileName(_path)} needs {_columns.Length} values without commas.");
        lock (_rows)
        {
            _rows[KeyOf(cells)] = cells;
            var text = new StringBuilder(string.Join(',', _columns)).Append('\n');
            foreach (string[] row in _rows.OrderBy(row => row.Key, StringComparer.Ordinal).Select(row => row.Value))
                text.AppendJoin(',', row).Append('\n');
            AtomicFile.Write(_path, file => file.Write(Encoding.UTF8.GetBytes(text.ToString())));
        }
    }

    private string KeyOf(string[] cells) => string.Join(',', cells.Take(_keys));
}
