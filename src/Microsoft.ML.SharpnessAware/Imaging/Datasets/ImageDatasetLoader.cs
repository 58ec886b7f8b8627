using System.Globalization;
using System.Security.Cryptography;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Reads the images and labels of all rows of the data, in order. Labels are read from the data always. Pixels are decoded into memory or a
/// new file of the cache, unless the cache has them: then the images are read and hashed but not decoded.
/// </summary>
internal sealed class ImageDatasetLoader(IDataView data, ImageColumn images, LabelColumn labels, BadImages badImages)
{
    private readonly List<long> _labels = [];
    private readonly List<long> _badRows = [];
    private readonly long[] _ofChannels = new long[4];
    private byte[] _pixels = [];
    private long _rowsSeen;

    public PixelCache? Cache { get; init; }

    public Action? CheckCancelled { get; init; }

    /// <summary>Where pixels go that do not come from a cache; memory where it is null. Takes the number of rows, where that is
    /// known.</summary>
    public Func<long?, PixelSink>? Sink { get; init; }

    /// <summary>Is told of conversions between grey and colour.</summary>
    public Action<string>? Log { get; init; }

    /// <summary>Whether a row is one of those to read; null for all.</summary>
    public Func<long, bool>? Reads { get; set; }

    /// <summary>How many rows there are to read, where that is known.</summary>
    public long? RowsToRead { get; set; }

    /// <summary>How many rows gave a label when the labels were read before the images; null where they are read together.</summary>
    public long? RowsOfLabels { get; set; }

    /// <summary>Is shown the reader at each row, also at those that are not read.</summary>
    public Action<ImageReader, long>? Visit { get; set; }

    /// <summary>Gives, for the numbers of grey and of coloured images, those of all data sets that must agree on channels.</summary>
    public Func<long, long, (long Grey, long Colored)>? CountOfAll { get; set; }

    public IDataView Data => data;

    public ImageColumn Images => images;

    public LabelColumn Labels => labels;

    /// <summary>The places, among the rows that were read, of those whose images were bad and are left out.</summary>
    public IReadOnlyList<long> BadRows => _badRows;


    public ImageDataset Load()
    {
        ImagePixels pixels = ReadCached() ?? ReadAll();
        return new ImageDataset(pixels, rows: null, tensor(_labels.ToArray(), device: CPU), labels.NumberOfClasses);
    }

    /// <summary>What is thrown where labels and images were read one after the other, and do not belong together.</summary>
    public static InvalidOperationException OtherRows(string what) => new(
        $"{what}: it can be read only once, or its rows change. With Sharding ByRow the labels are read first, and then the images. Give "
        + "rows that can be read again (a list, files), or leave Sharding None.");

    /// <summary>What is thrown where there is nothing to read.</summary>
    public static InvalidOperationException NoRows(string imageColumn) => new(
        $"The data has no rows, and so no images in column '{imageColumn}'. See to it that its source has some, and that no filter or "
        + "split leaves none.");

    private ImagePixels ReadAll()
    {
        _labels.Clear();
        _badRows.Clear();
        long? expected = RowsToRead ?? data.GetRowCount();
        using PixelSink sink = Cache is not null
            ? Cache.Create(images)
            : Sink?.Invoke(expected) ?? new MemorySink(images.PixelType.ToScalarType(), expected);
        using IncrementalHash? content = Cache is null ? null : IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var ahead = new ParallelDecoding(Add, CheckCancelled);
        long rows = ForEachRow((reader, label, row) =>
        {
            if (reader.Take() is EncodedImage image)
            {
                ahead.Add(image, label, row);
                return;
            }

            if (content is not null)
                reader.AddContentTo(content);
            if (TryRead(row, label, () => Read(reader)) && !badImages.WillFail)
                sink.Add(_pixels, images.Shape!.Value);
        });
        ahead.Flush();
        badImages.Report(rows);
        long ofAll = _labels.Count;
        // Where channels are known there is nothing to agree on, and others may have found their images in the cache.
        if (CountOfAll is not null && images.Shape is null)
        {
            (_ofChannels[1], _ofChannels[3]) = CountOfAll(_ofChannels[1], _ofChannels[3]);
            ofAll = _ofChannels[1] + _ofChannels[3];
            if (_ofChannels[3] > 0)
                sink.Widen(3);
        }
        if (sink is CacheSink cached)
            (cached.Content, cached.BadRows, cached.Converted) = (content!.GetHashAndReset(), _badRows, Converted());
        ImagePixels pixels = sink.Complete();
        LogConversions(Converted(), ofAll, images.Shape?.Channels ?? pixels.Shape.Channels);
        return pixels;

        void Add(EncodedImage image, long label, long row)
        {
            if (content is not null)
                image.AddContentTo(content);
            (byte[] decoded, ImageShape shape) = ([], default(ImageShape));
            if (!TryRead(row, label, () => decoded = image.Pixels(out shape)))
                return;
            _ofChannels[image.FileChannels]++;
            if (!badImages.WillFail)
                sink.Add(decoded, shape);
        }
    }

    /// <summary>How many images have other channels than the data set will have.</summary>
    private long Converted() => (images.Shape?.Channels ?? (_ofChannels[3] > 0 ? 3 : 1)) == 3 ? _ofChannels[1] : _ofChannels[3];

    private void LogConversions(long converted, long ofAll, int channels)
    {
        if (converted == 0)
            return;
        string how = channels == 3 ? "grey and are taken in colour" : "in colour and are taken as grey";
        Log?.Invoke($"{converted} of {ofAll} images are {how}, " + (images.Shape is null
            ? "since the others are in colour; ImageChannels = 1 makes all of them grey."
            : "as ImageChannels or the images that the model is trained on ask for."));
    }

    /// <summary>Reads an image; notes its label, or its row where it is bad.</summary>
    private bool TryRead(long row, long label, Action read)
    {
        try
        {
            read();
        }
        catch (InvalidOperationException exception) when (badImages.Takes(exception))
        {
            _badRows.Add(row);
            return false;
        }

        _labels.Add(label);
        return true;
    }

    private void Read(ImageReader reader)
    {
        if (_pixels.Length == 0)
            _pixels = new byte[images.Shape!.Value.ValueCount * images.PixelType.Size()];
        reader.Read(_pixels);
    }

    private ImagePixels? ReadCached()
    {
        if (Cache is null || !Cache.MayHave(images))
            return null;
        using var content = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        long rows = ForEachRow((reader, label, _) =>
        {
            reader.AddContentTo(content);
            _labels.Add(label);
        });
        if (Cache.Find(images, content.GetHashAndReset(), CheckCancelled) is not MappedPixels pixels)
            return null;
        try
        {
            if (ReadBadImages(pixels.Trailer.BadRows))
            {
                badImages.Report(rows);
                _badRows.AddRange(pixels.Trailer.BadRows);
                foreach (long row in pixels.Trailer.BadRows.Reverse())
                    _labels.RemoveAt((int)row);
                LogConversions(pixels.Trailer.Converted, _labels.Count, pixels.Shape.Channels);
                return pixels;
            }
        }
        catch
        {
            pixels.Dispose();
            throw;
        }

        pixels.Dispose();
        return null;
    }

    /// <summary>Reads the images that were bad once more, for their errors; false where one is no longer bad.</summary>
    private bool ReadBadImages(long[] badRows)
    {
        if (badRows.Length == 0)
            return true;
        var errors = new List<InvalidOperationException>();
        var decoder = new ImageDecoder();
        using DataViewRowCursor cursor = data.GetRowCursor(images.Columns);
        ImageReader reader = images.OpenReader(cursor);
        long row = -1, place = -1;
        foreach (long bad in badRows)
        {
            while (place < bad)
            {
                CheckCancelled?.Invoke();
                if (!reader.MoveNext(cursor))
                    throw Exhausted(place + 1);
                if (Reads?.Invoke(++row) != false)
                    place++;
            }
            try
            {
                if (reader.Take() is EncodedImage image)
                {
                    image.Decode(decoder);
                    image.Pixels(out _);
                }
                else
                {
                    Read(reader);
                }

                return false;
            }
            catch (InvalidOperationException exception) when (ImageReader.IsAboutOneImage(exception))
            {
                errors.Add(exception);
            }
        }

        return errors.TrueForAll(badImages.Takes);
    }

    private long ForEachRow(Action<ImageReader, long, long> visit)
    {
        using DataViewRowCursor cursor = data.GetRowCursor([.. images.Columns, labels.Column]);
        ImageReader reader = images.OpenReader(cursor);
        Func<long> readLabel = labels.OpenReader(cursor);
        long rows = 0, row = 0;
        for (; reader.MoveNext(cursor); row++)
        {
            CheckCancelled?.Invoke();
            Visit?.Invoke(reader, row);
            if (Reads?.Invoke(row) == false)
                continue;
            visit(reader, readLabel(), rows);
            rows++;
        }

        if (RowsOfLabels is long all && row != all)
        {
            throw OtherRows(string.Create(CultureInfo.InvariantCulture,
                $"The data gave {all} rows with labels in column '{labels.Column.Name}' and, read again with their images, {row} rows"));
        }
        if (rows < _rowsSeen)
            throw Exhausted(rows);
        _rowsSeen = rows;
        return rows > 0
            ? rows
            : throw NoRows(images.Name);
    }

    /// <summary>What is thrown for a queue or a stream that is empty when it is read again.</summary>
    private InvalidOperationException Exhausted(long rows) => new(string.Create(CultureInfo.InvariantCulture,
        $"The data gave {_rowsSeen} rows with images in column '{images.Name}' and, read again, {rows}: it can be read only once. ")
        + "WorkspacePath may read data twice, first to see whether it has the images already. Give rows that can be read again (a list, "
        + "files), or leave WorkspacePath null.");
}
