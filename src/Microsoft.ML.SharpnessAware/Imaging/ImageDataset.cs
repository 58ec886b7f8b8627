using System.Runtime.InteropServices;
using System.Security.Cryptography;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Labelled images in memory: every image decoded once, in its smallest form. The pixels lie on the CPU as uint8 or float32 [N, C, H, W]
/// and a <see cref="Subset"/> shares them. Training draws mini-batches with <see cref="Batch(Tensor)"/>.
/// </summary>
internal sealed class ImageDataset : IDisposable
{
    private readonly Tensor _pixels;
    private readonly Tensor? _rows; // int64 indices into _pixels; null: all rows, in order

    private ImageDataset(Tensor pixels, Tensor? rows, Tensor labels, ImageShape shape, int numberOfClasses)
    {
        _pixels = pixels.DetachFromDisposeScope();
        _rows = rows?.DetachFromDisposeScope();
        Labels = labels.DetachFromDisposeScope();
        Shape = shape;
        NumberOfClasses = numberOfClasses;
    }

    public ImageShape Shape { get; }

    /// <summary>uint8 for encoded images, MLImages and byte vectors; float32 for float vectors.</summary>
    public ScalarType PixelType => _pixels.dtype;

    /// <summary>The classes that the label's key has, whether or not a row has them.</summary>
    public int NumberOfClasses { get; }

    public long Count => Labels.shape[0];

    /// <summary>The class of each row, from 0: int64 [N].</summary>
    public Tensor Labels { get; }

    /// <summary>The class of each row, from 0, as the calibration arithmetic takes it.</summary>
    public int[] LabelArray() => Array.ConvertAll(Labels.data<long>().ToArray(), label => (int)label);

    /// <summary>Reads all rows of the data, once and in order.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of the wrong type.</exception>
    /// <exception cref="InvalidOperationException">
    /// There are no rows, a label is unusable, or images are (all of them are named, unless <paramref name="badImages"/> skips them).
    /// </exception>
    public static ImageDataset Load(
        IDataView data, string featureColumn, string labelColumn, ImageRequest request, Action? checkCancelled = null,
        BadImages? badImages = null)
    {
        badImages ??= new BadImages();
        ImageColumn image = ImageColumn.Bind(data.Schema, featureColumn, request);
        LabelColumn label = LabelColumn.Bind(data.Schema, labelColumn);
        using DataViewRowCursor cursor = data.GetRowCursor([.. image.Columns, label.Column]);
        ImageReader imageReader = image.OpenReader(cursor);
        Func<long> readLabel = label.OpenReader(cursor);
        if (!imageReader.MoveNext(cursor))
            throw new InvalidOperationException($"The data has no rows, so there are no images in column '{featureColumn}' to train on.");

        PixelStore? store = null;
        try
        {
            var labels = new List<long>();
            long rows = 0;
            do
            {
                checkCancelled?.Invoke();
                long ofRow = readLabel();
                rows++;
                try
                {
                    store ??= new PixelStore(imageReader.GetShape(), image.PixelType, data.GetRowCount());
                    imageReader.Read(store.NextRow());
                    labels.Add(ofRow);
                }
                catch (InvalidOperationException exception) when (badImages.Takes(exception))
                {
                    store?.DropRow();
                }
            }
            while (imageReader.MoveNext(cursor));

            badImages.Report(rows);
            return new ImageDataset(
                store!.Complete(), rows: null, tensor(labels.ToArray(), device: CPU), imageReader.GetShape(), label.NumberOfClasses);
        }
        finally
        {
            store?.Dispose();
        }
    }

    /// <summary>
    /// The given rows in the given order. The pixels are shared, and live until the last of the sharing data sets is disposed.
    /// </summary>
    public ImageDataset Subset(long[] rows)
    {
        using var scope = NewDisposeScope();
        Tensor chosen = tensor(rows, device: CPU);
        Tensor labels = Labels.index_select(0, chosen);
        return new ImageDataset(_pixels.alias(), _rows?.index_select(0, chosen) ?? chosen, labels, Shape, NumberOfClasses);
    }

    /// <summary>The same rows and labels with other pixels [N, C, H, W], which the data set takes over.</summary>
    public ImageDataset WithPixels(Tensor pixels)
    {
        long[] shape = pixels.shape;
        return new ImageDataset(pixels, rows: null, Labels.alias(), new((int)shape[1], (int)shape[2], (int)shape[3]), NumberOfClasses);
    }

    /// <summary>The images of the rows in <paramref name="index"/> (int64 [B], on the CPU), copied: [B, C, H, W].</summary>
    public Tensor Batch(Tensor index)
    {
        if (_rows is null)
            return _pixels.index_select(0, index);
        using Tensor rows = _rows.index_select(0, index);
        return _pixels.index_select(0, rows);
    }

    /// <summary>
    /// The images of <paramref name="count"/> rows from <paramref name="start"/> on. Not to be written to: it may be a view.
    /// </summary>
    public Tensor Batch(long start, long count)
    {
        if (_rows is null)
            return _pixels.narrow(0, start, count);
        using Tensor rows = _rows.narrow(0, start, count);
        return _pixels.index_select(0, rows);
    }

    /// <summary>SHA-256 of labels and pixels, as hexadecimal text.</summary>
    public string ContentHash()
    {
        const int BatchRows = 256;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using (var labels = Labels.data<long>())
            hash.AppendData(MemoryMarshal.AsBytes<long>(labels.ToArray()));
        for (long start = 0; start < Count; start += BatchRows)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor batch = Batch(start, Math.Min(BatchRows, Count - start)).contiguous();
            hash.AppendData(batch.bytes);
        }
        return Convert.ToHexString(hash.GetHashAndReset());
    }

    public void Dispose()
    {
        _pixels.Dispose();
        _rows?.Dispose();
        Labels.Dispose();
    }
}
