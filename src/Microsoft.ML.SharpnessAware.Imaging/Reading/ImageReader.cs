using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Reads the image of a row, or of each row of a cursor, into planes [channels, height, width]. Buffers are reused, so one reader serves
/// one cursor and one thread. Whatever is wrong with an image is an <see cref="InvalidOperationException"/> that names the column, the row
/// and, where the data has one, the path.
/// </summary>
internal abstract class ImageReader
{
    private readonly SourceRow _row;
    private readonly ValueGetter<ReadOnlyMemory<char>>? _path;
    private bool _fetched;

    protected ImageReader(ImageColumn column, DataViewRow row)
    {
        Column = column;
        _row = new SourceRow(row);
        if (column.PathColumn is { } path && row.IsColumnActive(path))
            _path = row.GetGetter<ReadOnlyMemory<char>>(path);
    }

    protected ImageColumn Column { get; }

    /// <summary>Whether an error of this class is about the image of one row, and not about the data as a whole.</summary>
    public static bool IsAboutOneImage(InvalidOperationException error) => error.InnerException is { } cause && IsAboutTheImage(cause);

    /// <summary>Whether such an error says that the image could not be had, so that nothing is known of it: a file that is gone or locked,
    /// or on a disk that does not answer.</summary>
    public static bool IsUnread(InvalidOperationException error) => error.InnerException is IOException or UnauthorizedAccessException;

    /// <summary>
    /// Moves the cursor on. ML.NET may read rows ahead in other threads (it does for LoadRawImageBytes), and then it is here, and not in
    /// <see cref="Read"/>, that a file that cannot be read comes to light.
    /// </summary>
    public bool MoveNext(DataViewRowCursor cursor)
    {
        long next = cursor.Position + 1;
        _fetched = false;
        try
        {
            return cursor.MoveNext();
        }
        catch (InvalidOperationException exception) when (IsAboutTheImage(exception.GetBaseException()))
        {
            string where = string.Create(CultureInfo.InvariantCulture, $"Column '{Column.Name}', row {next} (counting from 0) or later");
            throw new InvalidOperationException($"{where}: the image could not be read. {exception.GetBaseException().Message}", exception);
        }
    }

    /// <summary>
    /// The image of the current row, to be decoded later on any thread; null where that is not worth while, and <see cref="Read"/> is to be
    /// used now.
    /// </summary>
    public virtual EncodedImage? Take() => null;

    /// <summary>
    /// Reads the image of the current row. <paramref name="pixels"/> holds one image: a byte for each value, or the four bytes of a float
    /// where the column's <see cref="ImageColumn.PixelType"/> is Float32. Where the column leaves channels open, <see cref="Take"/> is to
    /// be used.
    /// </summary>
    public void Read(Span<byte> pixels)
    {
        try
        {
            Fetched().ReadCore(Column.Shape!.Value, pixels);
        }
        catch (Exception exception) when (IsAboutTheImage(exception))
        {
            throw Error(exception);
        }
        finally
        {
            _fetched = false;
        }
    }

    /// <summary>
    /// Adds to a hash what the current row holds, before it is decoded. Rows that cannot be read are all alike.
    /// </summary>
    public void AddContentTo(IncrementalHash hash)
    {
        try
        {
            Fetched().AppendContent(hash);
        }
        catch (Exception exception) when (IsAboutTheImage(exception))
        {
            AppendUnreadable(hash);
        }
    }

    /// <summary>Adds bytes with their number before them, so that two texts do not join to the same as two others.</summary>
    public static void Append(IncrementalHash hash, ReadOnlySpan<byte> bytes)
    {
        AppendNumber(hash, bytes.Length);
        hash.AppendData(bytes);
    }

    /// <summary>Adds that there is a row, but that it cannot be read.</summary>
    public static void AppendUnreadable(IncrementalHash hash) => AppendNumber(hash, -1);

    /// <summary>Gets the image of the current row from the data, once for all that follows.</summary>
    protected abstract void Fetch();

    /// <summary>Adds what <see cref="Fetch"/> got to a hash.</summary>
    protected abstract void AppendContent(IncrementalHash hash);

    /// <summary>Reads the image that <see cref="Fetch"/> got; an <see cref="InvalidDataException"/> says what is wrong with it.</summary>
    protected abstract void ReadCore(ImageShape shape, Span<byte> pixels);

    /// <summary>What ML.NET's own loading transforms throw for a file that is missing, locked or not an image, and our own
    /// findings.</summary>
    public static bool IsAboutTheImage(Exception exception) =>
        exception is InvalidDataException or IOException or UnauthorizedAccessException or ArgumentException;

    private static void AppendNumber(IncrementalHash hash, int number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
        hash.AppendData(bytes);
    }

    /// <summary>This reader, with the image of the current row.</summary>
    protected ImageReader Fetched()
    {
        if (!_fetched)
            Fetch();
        _fetched = true;
        return this;
    }

    private InvalidOperationException Error(Exception exception) => Place().Error(exception);

    /// <summary>Where the current row is, for messages.</summary>
    protected ImagePlace Place()
    {
        ReadOnlyMemory<char> path = default;
        _path?.Invoke(ref path);
        return new ImagePlace(Column.Name, _row.Number, path.ToString());
    }
}
