using System.Globalization;
using System.Text;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLSharpness.Cli;

/// <summary>
/// A CSV file of scored rows: Label, a column "Score.name" for each class, and any others, such as ImagePath, a camera or a patient.
/// </summary>
/// <param name="View">The rows, Label a key of the classes.</param>
/// <param name="Classes">The names of the classes, in the order of Score.</param>
/// <param name="Paths">The ImagePath of each row; null where there is no such column.</param>
internal sealed record ScoreFile(IDataView View, string[] Classes, string[]? Paths)
{
    private const string Label = "Label";
    private const string Path = "ImagePath";
    private const string ScorePrefix = "Score.";

    /// <exception cref="InvalidDataException">A row is of another image than in the other file.</exception>
    public void CheckSameImages(ScoreFile other)
    {
        for (int row = 0; row < Math.Min(Paths?.Length ?? 0, other.Paths?.Length ?? 0); row++)
        {
            if (Paths![row] != other.Paths![row])
                throw new InvalidDataException($"The files are not of the same rows in the same order: row {row + 1} is '{Paths[row]}' in "
                    + $"one and '{other.Paths[row]}' in the other.");
        }
    }

    /// <summary>Writes labels, scores and paths of a scored view; the file appears when it is complete.</summary>
    public static void Save(IDataView scored, string path)
    {
        VBuffer<ReadOnlyMemory<char>> names = default;
        scored.Schema["Score"].GetSlotNames(ref names);
        string temporary = $"{path}.{System.IO.Path.GetRandomFileName()}.tmp";
        try
        {
            using (var writer = new StreamWriter(temporary, append: false, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)))
            {
                writer.Write(string.Join(',', [Path, Label, .. names.DenseValues().Select(name => Quoted($"{ScorePrefix}{name}"))]) + "\n");
                using IEnumerator<string> labels = Names(scored).GetEnumerator();
                using IEnumerator<string> paths = scored.GetColumn<string>(Path).GetEnumerator();
                foreach (float[] scores in scored.GetColumn<float[]>("Score"))
                {
                    if (!labels.MoveNext() || !paths.MoveNext())
                        throw new InvalidDataException("The images changed while they were scored.");
                    IEnumerable<string> numbers = scores.Select(score => score.ToString("R", CultureInfo.InvariantCulture));
                    writer.Write(string.Join(',', [Quoted(paths.Current), Quoted(labels.Current), .. numbers]) + "\n");
                }
            }

            File.Move(temporary, path, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    /// <summary>Reads a file.</summary>
    /// <param name="mlContext">The context.</param>
    /// <param name="path">The file.</param>
    /// <param name="group">The column of groups; null for none.</param>
    /// <param name="cluster">The column of clusters; null for none.</param>
    /// <param name="classes">The classes in the order in which they are wanted; null for that of the file.</param>
    /// <exception cref="InvalidDataException">It is no such file; the message names the row and column.</exception>
    public static ScoreFile Load(MLContext mlContext, string path, string? group, string? cluster, string[]? classes = null)
    {
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no file '{path}'.");
        using var reader = new StreamReader(path);
        string[] header = Record(reader, path) ?? throw new InvalidDataException($"'{path}' is empty.");
        int label = Place(Label), groups = group is null ? -1 : Place(group), clusters = cluster is null ? -1 : Place(cluster);
        int[] scores = [.. Enumerable.Range(0, header.Length).Where(i => header[i].StartsWith(ScorePrefix, StringComparison.Ordinal))];
        if (scores.Length < 2)
            throw new InvalidDataException($"'{path}' needs a column '{ScorePrefix}name' for each of at least two classes; it has: "
                + $"{string.Join(", ", header)}.");
        if (classes is not null && classes.Length != scores.Length)
            throw new InvalidDataException($"'{path}' has {scores.Length} classes, the other file {classes.Length}.");
        if (classes is not null)
            scores = [.. classes.Select(name => Place(ScorePrefix + name))];
        int pathPlace = Array.IndexOf(header, Path);
        var rows = new List<Row>();
        while (Record(reader, path) is string[] cells)
        {
            int number = rows.Count + 1;
            if (cells.Length != header.Length)
                throw new InvalidDataException($"'{path}', row {number}: {cells.Length} values, where the header has {header.Length}.");
            rows.Add(new Row
            {
                Label = cells[label],
                Score = [.. scores.Select(i => float.TryParse(cells[i], NumberStyles.Float, CultureInfo.InvariantCulture, out float score)
                    ? score : throw new InvalidDataException($"'{path}', row {number}, column {header[i]}: '{cells[i]}' is no number."))],
                Group = groups < 0 ? "" : cells[groups],
                Cluster = clusters < 0 ? "" : cells[clusters],
                ImagePath = pathPlace < 0 ? "" : cells[pathPlace],
            });
        }

        classes ??= [.. scores.Select(i => header[i][ScorePrefix.Length..])];
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Row));
        schema[nameof(Row.Score)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, scores.Length);
        schema[nameof(Row.Score)].AddAnnotation("SlotNames",
            new VBuffer<ReadOnlyMemory<char>>(classes.Length, [.. classes.Select(name => name.AsMemory())]),
            new VectorDataViewType(TextDataViewType.Instance, classes.Length));
        IDataView view = mlContext.Data.LoadFromEnumerable(rows, schema);
        IDataView keys = mlContext.Data.LoadFromEnumerable(classes.Select(name => new ClassName { Label = name }));
        return new ScoreFile(mlContext.Transforms.Conversion.MapValueToKey(Label, keyData: keys).Fit(view).Transform(view), classes,
            pathPlace < 0 ? null : [.. rows.Select(row => row.ImagePath)]);

        int Place(string name) => Array.IndexOf(header, name) is >= 0 and int place ? place
            : throw new InvalidDataException($"'{path}' has no column '{name}'; it has: {string.Join(", ", header)}.");
    }

    private static IEnumerable<string> Names(IDataView scored)
    {
        if (scored.Schema[Label].Type is not KeyDataViewType)
            return scored.GetColumn<string>(Label);
        VBuffer<ReadOnlyMemory<char>> values = default;
        scored.Schema[Label].GetKeyValues(ref values);
        string[] names = [.. values.DenseValues().Select(value => $"{value}")];
        return scored.GetColumn<uint>(Label).Select(key => key == 0 ? "" : names[key - 1]);
    }

    private static string Quoted(string text) =>
        text.AsSpan().IndexOfAny(",\"\r\n") < 0 ? text : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    /// <summary>The next record (RFC 4180: quotes around a comma, a quote or a line break); null at the end.</summary>
    private static string[]? Record(TextReader reader, string path)
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

    private sealed class Row
    {
        public string Label { get; set; } = "";

        public float[] Score { get; set; } = [];

        public string Group { get; set; } = "";

        public string Cluster { get; set; } = "";

        public string ImagePath { get; set; } = "";
    }

    private sealed class ClassName
    {
        public string Label { get; set; } = "";
    }
}
