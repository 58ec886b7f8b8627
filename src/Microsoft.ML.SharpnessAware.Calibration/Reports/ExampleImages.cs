using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Thumbnails and paths of a few rows of a data view, in a pass over these two columns alone.</summary>
internal sealed class ExampleImages
{
    private readonly IThumbnailColumn? _images;
    private readonly DataViewSchema.Column? _paths;

    /// <param name="schema">The schema of the data view.</param>
    /// <param name="imageColumnName">The image column; null to look for one, empty for none.</param>
    /// <param name="pathColumnName">The column of paths; null to look for one, empty for none.</param>
    /// <param name="width">The width of images that come as vectors of one dimension.</param>
    /// <param name="height">Their height.</param>
    /// <param name="channel">For a warning where pictures are asked for that the application cannot make.</param>
    public ExampleImages(
        DataViewSchema schema, string? imageColumnName, string? pathColumnName, int? width, int? height, IChannel channel)
    {
        _images = ReportImages.Found?.Bind(schema, imageColumnName, width, height);
        if (ReportImages.Found is null && !string.IsNullOrEmpty(imageColumnName))
            channel.Warning($"The report has no pictures of column '{imageColumnName}': they take the package MLSharpness.");
        if (pathColumnName is null)
            _paths = ImagePathColumn.In(schema);
        else if (pathColumnName.Length > 0)
            _paths = PathColumn(schema, pathColumnName);
    }

    /// <summary>Reads the rows given. An image that cannot be read becomes a thumbnail that says why, and a warning.</summary>
    public Dictionary<long, (Thumbnail? Image, string? Path)> Read(
        IDataView data, IEnumerable<(long Row, DataViewRowId Id)> rows, IChannel channel)
    {
        Dictionary<long, DataViewRowId> wanted = rows.DistinctBy(row => row.Row).ToDictionary(row => row.Row, row => row.Id);
        Dictionary<long, (Thumbnail? Image, string? Path)> found = [];
        if (wanted.Count == 0 || (_images is null && _paths is null))
            return found;

        List<DataViewSchema.Column> columns = [];
        if (_images is not null)
            columns.Add(_images.Source);
        if (_paths is { } path)
            columns.Add(path);
        using DataViewRowCursor cursor = data.GetRowCursor(columns);
        Func<Thumbnail>? image = _images?.Open(cursor);
        ValueGetter<ReadOnlyMemory<char>>? paths = _paths is { } column ? cursor.GetGetter<ReadOnlyMemory<char>>(column) : null;
        ValueGetter<DataViewRowId> ids = cursor.GetIdGetter();
        long last = wanted.Keys.Max();
        string problem = "The data has no such row when read again.";
        try
        {
            while (cursor.Position < last && cursor.MoveNext())
            {
                if (wanted.TryGetValue(cursor.Position, out DataViewRowId expected))
                    found[cursor.Position] = ReadRow(expected);
            }
        }
        catch (InvalidOperationException exception) when (IsAboutTheImage(exception.GetBaseException()))
        {
            // ML.NET may read files ahead of the cursor, and then it is the cursor that fails, for all rows to come.
            problem = exception.GetBaseException().Message;
        }

        foreach (long row in wanted.Keys.Where(row => !found.ContainsKey(row)))
            found[row] = (_images is null ? null : Thumbnail.Failed(problem), null);
        Warn(found, wanted, channel);
        return found;

        (Thumbnail? Image, string? Path) ReadRow(DataViewRowId expected)
        {
            DataViewRowId id = default;
            ids(ref id);
            if (!id.Equals(expected))
                return (_images is null ? null : Thumbnail.Failed("The data has another row here when read again."), null);
            ReadOnlyMemory<char> text = default;
            paths?.Invoke(ref text);
            return (image is null ? null : ReadImage(image), text.IsEmpty ? null : text.ToString());
        }
    }

    /// <summary>What ML.NET's loading transforms and our readers throw for a file that is missing, locked or not an image.</summary>
    public static bool IsAboutTheImage(Exception exception)
        => exception is InvalidDataException or InvalidOperationException or IOException or UnauthorizedAccessException
            or ArgumentException;

    private static Thumbnail ReadImage(Func<Thumbnail> read)
    {
        try
        {
            return read();
        }
        catch (Exception exception) when (IsAboutTheImage(exception))
        {
            return Thumbnail.Failed(exception.Message);
        }
    }

    private void Warn(
        Dictionary<long, (Thumbnail? Image, string? Path)> found, Dictionary<long, DataViewRowId> ids, IChannel channel)
    {
        foreach ((long row, (Thumbnail? image, string? path)) in found.OrderBy(pair => pair.Key))
        {
            if (image?.Problem is string problem)
                channel.Warning(Invariant($"The report cannot show the image of row {SourceRow.NumberOf(ids[row], row)} (counted from 0)")
                    + $" of column '{_images!.Source.Name}'{(path is null ? "" : $", '{path}'")}: {problem}");
        }
    }

    private static DataViewSchema.Column PathColumn(DataViewSchema schema, string name)
    {
        DataViewSchema.Column column = NamedColumn.Find(schema, name, "image path");
        return column.Type is TextDataViewType ? column
            : throw new ArgumentOutOfRangeException(nameof(schema), $"Image path column '{name}': expected text, found {column.Type}.");
    }
}
