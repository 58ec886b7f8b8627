using System.Runtime.InteropServices;
using System.Security.Cryptography;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Labelled images: every image decoded once, in its smallest form. The pixels lie in memory, or in a mapped file of a
/// <see cref="PixelCache"/>, as uint8 or float32 [N, C, H, W], and a <see cref="Subset"/> shares them. Training draws mini-batches with
/// <see cref="Batch(Tensor)"/>.
/// </summary>
internal sealed class ImageDataset : IDisposable
{
    private const long ChunkValues = 4 << 20;

    private readonly ImagePixels _pixels;
    private readonly Tensor? _rows; // int64 indices into _pixels; null: all rows, in order

    /// <summary>Takes pixels, rows and labels over.</summary>
    public ImageDataset(ImagePixels pixels, Tensor? rows, Tensor labels, int numberOfClasses)
    {
        _pixels = pixels;
        _rows = rows?.DetachFromDisposeScope();
        Labels = labels.DetachFromDisposeScope();
        NumberOfClasses = numberOfClasses;
    }

    public ImageShape Shape => _pixels.Shape;

    /// <summary>uint8 for encoded images, MLImages and byte vectors; float32 for float vectors.</summary>
    public ScalarType PixelType => _pixels.Type;

    /// <summary>The classes that the label's key has, whether or not a row has them.</summary>
    public int NumberOfClasses { get; }

    public long Count => Labels.shape[0];

    /// <summary>Rows at a time for what goes through all pixels: a chunk takes 16 MB at most (or one image).</summary>
    public long RowsPerChunk => Math.Max(1, ChunkValues / Shape.ValueCount);

    /// <summary>The class of each row, from 0: int64 [N].</summary>
    public Tensor Labels { get; }

    /// <summary>The class of each row, from 0, as the calibration arithmetic takes it.</summary>
    public int[] LabelArray() => Array.ConvertAll(Labels.data<long>().ToArray(), label => (int)label);

    /// <summary>Reads all rows of the data, in order: once, and once more with a <paramref name="cache"/> of the same settings.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of the wrong type.</exception>
    /// <exception cref="InvalidOperationException">
    /// There are no rows, a label is unusable, or images are (all of them are named, unless <paramref name="badImages"/> skips them).
    /// </exception>
    /// <exception cref="IOException">The cache cannot be written.</exception>
    /// <param name="data">The rows.</param>
    /// <param name="featureColumn">The column of images.</param>
    /// <param name="labelColumn">The column of labels.</param>
    /// <param name="request">Size and channels.</param>
    /// <param name="checkCancelled">Throws to cancel.</param>
    /// <param name="badImages">Takes what is wrong with images; null makes it an error.</param>
    /// <param name="cache">Keeps the pixels on disk.</param>
    /// <param name="log">Is told of conversions between grey and colour.</param>
    /// <param name="sink">Where pixels go without a cache, and what the data set is made of; memory where it is null.</param>
    public static ImageDataset Load(
        IDataView data, string featureColumn, string labelColumn, ImageRequest request, Action? checkCancelled = null,
        BadImages? badImages = null, PixelCache? cache = null, Action<string>? log = null, Func<long?, PixelSink>? sink = null)
    {
        ImageColumn images = ImageColumn.Bind(data.Schema, featureColumn, request);
        LabelColumn labels = LabelColumn.Bind(data.Schema, labelColumn);
        var loader = new ImageDatasetLoader(data, images, labels, badImages ?? new BadImages())
        {
            Cache = cache,
            CheckCancelled = checkCancelled,
            Log = log,
            Sink = sink,
        };
        return loader.Load();
    }

    /// <summary>
    /// The given rows in the given order. The pixels are shared, and live until the last of the sharing data sets is disposed.
    /// </summary>
    public ImageDataset Subset(long[] rows)
    {
        using var scope = NewDisposeScope();
        Tensor chosen = tensor(rows, device: CPU);
        Tensor labels = Labels.index_select(0, chosen);
        return new ImageDataset(_pixels.Share(), _rows?.index_select(0, chosen) ?? chosen, labels, NumberOfClasses);
    }

    /// <summary>The same rows and labels with other pixels [N, C, H, W], which the data set takes over.</summary>
    public ImageDataset WithPixels(Tensor pixels) => WithPixels(new TensorPixels(pixels));

    /// <summary>The same, wherever the pixels lie.</summary>
    public ImageDataset WithPixels(ImagePixels pixels) => new(pixels, rows: null, Labels.alias(), NumberOfClasses);

    /// <summary>The images of the rows in <paramref name="index"/> (int64 [B], on the CPU), copied: [B, C, H, W].</summary>
    public Tensor Batch(Tensor index)
    {
        if (_rows is null)
            return _pixels.Batch(index);
        using Tensor rows = _rows.index_select(0, index);
        return _pixels.Batch(rows);
    }

    /// <summary>
    /// The images of <paramref name="count"/> rows from <paramref name="start"/> on. Not to be written to: it may be a view.
    /// </summary>
    public Tensor Batch(long start, long count)
    {
        if (_rows is null)
            return _pixels.Batch(start, count);
        using Tensor rows = _rows.narrow(0, start, count);
        return _pixels.Batch(rows);
    }

    /// <summary>SHA-256 of labels and pixels, as hexadecimal text.</summary>
    public string ContentHash()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using (var labels = Labels.data<long>())
            hash.AppendData(MemoryMarshal.AsBytes<long>(labels.ToArray()));
        for (long start = 0; start < Count; start += RowsPerChunk)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor batch = Batch(start, Math.Min(RowsPerChunk, Count - start)).contiguous();
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
