namespace Microsoft.ML.SharpnessAware;

/// <summary>Pixels of some images, [rows, channels, height, width], read one after the other and scored together.</summary>
internal abstract class ImageBatch : IDisposable
{
    /// <summary>How many images are in it.</summary>
    public int Count { get; private set; }

    /// <summary>The bytes of an image.</summary>
    protected abstract int ImageBytes { get; }

    /// <summary>Room for all images.</summary>
    protected abstract Span<byte> Pixels { get; }

    public void Clear() => Count = 0;

    /// <summary>Adds the image of the reader's current row.</summary>
    public void Add(ImageReader reader)
    {
        reader.Read(Pixels.Slice(Count * ImageBytes, ImageBytes));
        Count++;
    }

    /// <summary>Fills <paramref name="values"/> [<see cref="Count"/> × values per image].</summary>
    public abstract void Score(Span<float> values);

    public abstract void Dispose();
}
