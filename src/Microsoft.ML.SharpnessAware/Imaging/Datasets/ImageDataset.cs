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
    private readonly Tensor? _rows; // int64 indices into _pixels, −1 where the image is elsewhere; null: all rows, in order

    /// <summary>Takes pixels, rows and labels over.</summary>
    public ImageDataset(ImagePixels pixels, Tensor? rows, Tensor labels, int numberOfClasses, RowOwners? owners = null)
    {
        _pixels = pixels;
        Owners = owners;
        _rows = rows?.DetachFromDisposeScope();
        Labels = labels.DetachFromDisposeScope();
        NumberOfClasses = numberOfClasses;
    }

    public ImageShape Shape => _pixels.Shape;

    /// <summary>uint8 for encoded images, MLImages and byte vectors; float32 for float vectors.</summary>
    public ScalarType PixelType => _pixels.Type;

    /// <summary>The classes that the label's key has, whether or not a row has them.</summary>
    public int NumberOfClasses { get; }

    /// <summary>All rows, whether or not their images are here.</summary>
    public long Count => Labels.shape[0];

    /// <summary>Which process has which row's image; null where nobody asks.</summary>
    public RowOwners? Owners { get; }

    /// <summary>The processes that share the images out, each keeping its own; null where all are here.</summary>
    public ProcessGroup? SharedBy => Owners?.Group;

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
    /// <param name="sharedBy">Processes that read the same data, each of which decodes and keeps the images of its own rows; null to keep
    /// all.</param>
    public static ImageDataset Load(
        IDataView data, string featureColumn, string labelColumn, ImageRequest request, Action? checkCancelled = null,
        BadImages? badImages = null, PixelCache? cache = null, Action<string>? log = null, Func<long?, PixelSink>? sink = null,
        ProcessGroup? sharedBy = null)
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
        return sharedBy is null ? loader.Load() : new SharedDatasetLoader(loader, sharedBy).Load();
    }

    /// <summary>The same data set, whose images are in the order of so many shares, though this process has them all.</summary>
    public ImageDataset InOrderOf(int shares) => new(
        _pixels.Share(), _rows?.alias(), Labels.alias(), NumberOfClasses, RowOwners.Deal(Labels.data<long>().ToArray(), shares, null));

    /// <summary>The images that this one's pixels are of, as some of all rows.</summary>
    /// <param name="labels">The class of each of all rows, from 0.</param>
    /// <param name="owners">Who has which row; those here are this data set's, in their order.</param>
    public ImageDataset AsShareOf(long[] labels, RowOwners owners) => new(
        _pixels.Share(), owners.Places(), tensor(labels, device: CPU), NumberOfClasses, owners);

    /// <summary>The rows whose images are here, as a data set of their own.</summary>
    public ImageDataset Here()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = tensor(Owners?.Own ?? [.. Enumerable.Range(0, (int)Count).Select(row => (long)row)], device: CPU);
        return new ImageDataset(_pixels.Share(), _rows?.index_select(0, rows) ?? rows, Labels.index_select(0, rows), NumberOfClasses);
    }

    /// <summary>
    /// The given rows in the given order. The pixels are shared, and live until the last of the sharing data sets is disposed.
    /// </summary>
    public ImageDataset Subset(long[] rows)
    {
        using var scope = NewDisposeScope();
        Tensor chosen = tensor(rows, device: CPU);
        Tensor labels = Labels.index_select(0, chosen);
        return new ImageDataset(
            _pixels.Share(), _rows?.index_select(0, chosen) ?? chosen, labels, NumberOfClasses, Owners?.Subset(rows));
    }

    /// <summary>The same rows and labels with other pixels [N, C, H, W], of the rows that are here, which the data set takes
    /// over.</summary>
    public ImageDataset WithPixels(Tensor pixels) => WithPixels(new TensorPixels(pixels));

    /// <summary>The same, wherever the pixels lie.</summary>
    public ImageDataset WithPixels(ImagePixels pixels) => new(
        pixels, SharedBy is null ? null : Owners!.Places(), Labels.alias(), NumberOfClasses, Owners);

    /// <summary>The first image, [1, C, H, W], also where it is another process': all ask for it.</summary>
    public Tensor First()
    {
        if (SharedBy is null)
            return Batch(0, 1);
        using Tensor index = tensor(new long[] { 0 }, device: CPU);
        Tensor image = Owners!.IsHere(0)
            ? Batch(index)
            : zeros([1, Shape.Channels, Shape.Height, Shape.Width], dtype: PixelType, device: CPU);
        SharedBy.Broadcast(image.bytes, Owners[0]);
        return image;
    }

    /// <summary>The images of the rows in <paramref name="index"/> (int64 [B], on the CPU), which are here, copied: [B, C, H, W].</summary>
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

    /// <summary>SHA-256 of labels and pixels, as hexadecimal text; of those of all processes, where they share the images out.</summary>
    public string ContentHash()
    {
        if (SharedBy is null)
            return OwnContentHash();
        using ImageDataset here = Here();
        return Owners!.HashOfAll(here.OwnContentHash());
    }

    private string OwnContentHash()
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
