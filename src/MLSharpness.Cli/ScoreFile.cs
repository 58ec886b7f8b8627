using System.Globalization;
using System.Text;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;

namespace MLSharpness.Cli;

/// <summary>
/// Scored rows, as a CSV file has them: Label, a column "Score.name" for each class, and any others, such as ImagePath, a camera or a
/// patient.
/// </summary>
internal sealed class ScoreFile
{
    private const string Label = "Label";
    private const string Path = "ImagePath";
    private const string ScorePrefix = "Score.";

    private readonly List<Row> _rows;
    private readonly bool _hasPaths;

    private ScoreFile(MLContext mlContext, string[] classes, List<Row> rows, bool hasPaths)
    {
        (Classes, _rows, _hasPaths) = (classes, rows, hasPaths);
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Row));
        schema[nameof(Row.Score)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, classes.Length);
        schema[nameof(Row.Score)].AddAnnotation("SlotNames",
            new VBuffer<ReadOnlyMemory<char>>(classes.Length, [.. classes.Select(name => name.AsMemory())]),
            new VectorDataViewType(TextDataViewType.Instance, classes.Length));
        IDataView view = mlContext.Data.LoadFromEnumerable(rows, schema);
        IDataView keys = mlContext.Data.LoadFromEnumerable(classes.Select(name => new ClassName { Label = name }));
        View = mlContext.Transforms.Conversion.MapValueToKey(Label, keyData: keys).Fit(view).Transform(view);
    }

    /// <summary>The rows, Label a key of the classes.</summary>
    public IDataView View { get; }

    /// <summary>The names of the classes, in the order of Score.</summary>
    public string[] Classes { get; }

    /// <summary>The full path of a file of scores that can be written, or of a device or a pipe that takes them.</summary>
    /// <exception cref="IOException">It is a folder or an input, or nothing can be written there.</exception>
    public static string Check(string path, string option, params string?[] inputs) =>
        SpecialFile.Is(path) ? System.IO.Path.GetFullPath(path) : OutputFile.Check(path, option, "scores.csv", inputs);

    /// <summary>Whether a path is what the process prints to, under any of its names.</summary>
    public static bool IsStandardOutput(string path) =>
        !OperatingSystem.IsWindows() && RealPath.Of(path) is string real && real == RealPath.Of("/dev/stdout");

    /// <summary>Labels, scores and paths of a scored view, which is read once.</summary>
    public static ScoreFile Of(MLContext mlContext, IDataView scored)
    {
        DataViewSchema.Column label = scored.Schema[Label], score = scored.Schema["Score"], path = scored.Schema[Path];
        int size = ((VectorDataViewType)score.Type).Size;
        string[] classes = ClassNames.OfSlots(score) ?? (ClassNames.OfKeys(label) is { } ofLabel && ofLabel.Length == size ? ofLabel
            : [.. Enumerable.Range(0, size).Select(k => Invariant($"{k}"))]);
        var rows = new List<Row>();
        using DataViewRowCursor cursor = scored.GetRowCursor([label, score, path]);
        Func<string> getLabel = LabelOf(cursor, classes);
        ValueGetter<VBuffer<float>> getScores = cursor.GetGetter<VBuffer<float>>(score);
        ValueGetter<ReadOnlyMemory<char>> getPath = cursor.GetGetter<ReadOnlyMemory<char>>(path);
        VBuffer<float> scores = default;
        ReadOnlyMemory<char> file = default;
        while (cursor.MoveNext())
        {
            getScores(ref scores);
            getPath(ref file);
            rows.Add(new Row { Label = getLabel(), Score = [.. scores.DenseValues()], ImagePath = $"{file}" });
        }

        return new ScoreFile(mlContext, classes, rows, hasPaths: true);
    }

    /// <summary>Checks that the rows of two files are of the same images.</summary>
    /// <returns>The places whose images are taken for the same; null where the paths are equal, or there are none.</returns>
    /// <exception cref="InvalidDataException">A row is of another image than in the other file.</exception>
    public (string Own, string Other)? CheckSameImages(ScoreFile other)
    {
        if (!_hasPaths || !other._hasPaths || _rows.Count == 0 || other._rows.Count == 0)
            return null;
        if (PicturePaths.FirstDifference(_rows.Select(row => row.ImagePath), other._rows.Select(row => row.ImagePath)) is int row)
        {
            throw new InvalidDataException($"The files are not of the same rows in the same order: row {row + 1} is "
                + $"'{_rows[row].ImagePath}' in one and '{other._rows[row].ImagePath}' in the other.");
        }

        return PicturePaths.Places(_rows[0].ImagePath, other._rows[0].ImagePath);
    }

    /// <summary>Writes the rows. A file appears when it is complete; a device or a pipe gets them as they come.</summary>
    public void Save(string path)
    {
        bool isStandardOutput = IsStandardOutput(path);
        if (!isStandardOutput && !SpecialFile.Is(path))
        {
            AtomicFile.Write(path, Write);
            return;
        }

        using Stream stream = isStandardOutput ? Console.OpenStandardOutput()
            : new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite);
        Write(stream);
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
        string[] header = Csv.Record(reader, path) ?? throw new InvalidDataException($"'{path}' is empty.");
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
        while (Csv.Record(reader, path) is string[] cells)
        {
            int number = rows.Count + 1;
            if (cells.Length != header.Length)
                throw new InvalidDataException($"'{path}', row {number}: {cells.Length} values, where the header has {header.Length}.");
            float[] score = [.. scores.Select(i =>
                float.TryParse(cells[i], NumberStyles.Float, CultureInfo.InvariantCulture, out float value) ? value
                    : throw new InvalidDataException($"'{path}', row {number}, column {header[i]}: '{cells[i]}' is not a number."))];
            // Rows without a class or without scores are left out where they are measured.
            if (!ProbabilityRow.IsValid(score) && score.All(float.IsFinite) && header.Contains(ScorePrefix + cells[label]))
            {
                throw new InvalidDataException($"'{path}', row {number}: the columns {ScorePrefix}… must be probabilities, from 0 to 1 " +
                    Invariant($"and 1 in sum, and are from {score.Min():G6} to {score.Max():G6} and {score.Sum():G6} in sum."));
            }

            rows.Add(new Row
            {
                Label = cells[label],
                Score = score,
                Group = groups < 0 ? "" : cells[groups],
                Cluster = clusters < 0 ? "" : cells[clusters],
                ImagePath = pathPlace < 0 ? "" : cells[pathPlace],
            });
        }

        classes ??= [.. scores.Select(i => header[i][ScorePrefix.Length..])];
        return new ScoreFile(mlContext, classes, rows, hasPaths: pathPlace >= 0);

        int Place(string name) => Array.IndexOf(header, name) is >= 0 and int place ? place
            : throw new InvalidDataException($"'{path}' has no column '{name}'; it has: {string.Join(", ", header)}.");
    }

    private void Write(Stream stream)
    {
        using var writer = new StreamWriter(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), leaveOpen: true);
        writer.Write(Csv.Line([Path, Label, .. Classes.Select(name => ScorePrefix + name)]));
        foreach (Row row in _rows)
        {
            IEnumerable<string> scores = row.Score.Select(score => score.ToString("R", CultureInfo.InvariantCulture));
            writer.Write(Csv.Line([row.ImagePath, row.Label, .. scores]));
        }
    }

    /// <summary>What gives the label of a row as text; keys without values stand for the classes in order.</summary>
    private static Func<string> LabelOf(DataViewRow row, string[] classes)
    {
        DataViewSchema.Column column = row.Schema[Label];
        if (column.Type is not KeyDataViewType)
        {
            ValueGetter<ReadOnlyMemory<char>> getText = row.GetGetter<ReadOnlyMemory<char>>(column);
            ReadOnlyMemory<char> text = default;
            return () =>
            {
                getText(ref text);
                return $"{text}";
            };
        }

        string[] names = ClassNames.OfKeys(column) ?? classes;
        ValueGetter<uint> getKey = row.GetGetter<uint>(column);
        uint key = 0;
        return () =>
        {
            getKey(ref key);
            return key == 0 ? "" : names[key - 1];
        };
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
