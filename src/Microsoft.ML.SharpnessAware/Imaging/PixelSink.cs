namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Where the pixels of a data set go, image by image. They are kept as grey while all images are; the first one in colour makes all
/// colour, those before it included.
/// </summary>
internal abstract class PixelSink : IDisposable
{
    private byte[] _repeated = [];

    /// <summary>The shape of all images so far.</summary>
    protected ImageShape Shape { get; private set; }

    /// <summary>Adds an image; its channels may differ from the others', 1 from 3.</summary>
    public void Add(ReadOnlySpan<byte> pixels, ImageShape shape)
    {
        if (Shape == default)
            Shape = shape;
        if (Shape.Channels < shape.Channels)
        {
            Widen(shape.Channels);
        }
        else if (shape.Channels < Shape.Channels)
        {
            if (_repeated.Length == 0)
                _repeated = new byte[pixels.Length * Shape.Channels];
            for (int channel = 0; channel < Shape.Channels; channel++)
                pixels.CopyTo(_repeated.AsSpan(channel * pixels.Length));
            pixels = _repeated;
        }

        Append(pixels);
    }

    /// <summary>Makes all images so far have so many channels, where they are grey.</summary>
    public void Widen(int channels)
    {
        if (Shape.Channels == channels)
            return;
        Repeat(channels);
        Shape = Shape with { Channels = channels };
    }

    /// <summary>All images that were added, at least one, which the caller owns.</summary>
    public abstract ImagePixels Complete();

    public abstract void Dispose();

    /// <summary>Adds an image of <see cref="Shape"/>.</summary>
    protected abstract void Append(ReadOnlySpan<byte> pixels);

    /// <summary>Repeats the one channel of all images so far.</summary>
    protected abstract void Repeat(int channels);
}
