using System.Security.Cryptography;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Reads the images and labels of all rows of the data, in order. Labels are read from the data always. Pixels are decoded into memory or a
/// new file of the cache, unless the cache has them: then the images are read and hashed but not decoded.
/// </summary>
internal sealed class ImageDatasetLoader(IDataView data, ImageColumn images, LabelColumn labels, BadImages badImages)
{
    private readonly List<long> _labels = [];

    public PixelCache? Cache { get; init; }

    public Action? CheckCancelled { get; init; }

    public ImageDataset Load()
    {
        ImagePixels pixels = ReadCached() ?? ReadAll();
        return new ImageDataset(pixels, rows: null, tensor(_labels.ToArray(), device: CPU), labels.NumberOfClasses);
    }

    private ImagePixels ReadAll()
    {
        _labels.Clear();
        using PixelSink sink = Cache is null ? new MemorySink(images.PixelType, data.GetRowCount()) : Cache.Create(images);
        var ahead = new ParallelDecoding((image, label, row) => Add(sink, image, label, row), CheckCancelled);
        long rows = ForEachRow((reader, label, row) =>
        {
            if (reader.Take() is EncodedImage image)
                ahead.Add(image, label, row);
            else
                Add(sink, reader, label, row);
        });
        ahead.Flush();
        badImages.Report(rows);
        return sink.Complete();
    }

    private void Add(PixelSink sink, IImageSource image, long label, long row)
    {
        try
        {
            sink.Add(image);
            _labels.Add(label);
        }
        catch (InvalidOperationException exception) when (badImages.Takes(exception))
        {
            sink.Skip(row);
        }
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
        if (Cache.Find(images, content.GetHashAndReset(), CheckCancelled) is not var (pixels, badRows))
            return null;
        try
        {
            if (ReadBadImages(badRows))
            {
                badImages.Report(rows);
                foreach (long row in badRows.Reverse())
                    _labels.RemoveAt((int)row);
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
        using DataViewRowCursor cursor = data.GetRowCursor(images.Columns);
        ImageReader reader = images.OpenReader(cursor);
        foreach (long row in badRows)
        {
            while (cursor.Position < row && reader.MoveNext(cursor))
                CheckCancelled?.Invoke();
            try
            {
                reader.Read(new byte[reader.GetShape().ValueCount * (int)images.PixelType.ElementSize()]);
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
        long rows = 0;
        while (reader.MoveNext(cursor))
        {
            CheckCancelled?.Invoke();
            visit(reader, readLabel(), rows);
            rows++;
        }

        return rows > 0
            ? rows
            : throw new InvalidOperationException($"The data has no rows, so there are no images in column '{images.Name}' to train on.");
    }
}
