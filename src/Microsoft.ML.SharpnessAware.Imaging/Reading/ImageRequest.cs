namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The size and channels that a user asks for; null leaves one to the data. Encoded images and <see cref="Microsoft.ML.Data.MLImage"/>s are
/// resized and converted between grey and colour to fit. Pixel vectors are never resized: for them it is the shape of the vector.
/// </summary>
internal sealed record ImageRequest
{
    /// <summary>The largest width and height that images are resized to; networks use far less.</summary>
    public const int MaxSide = 8192;

    public ImageRequest(int? width = null, int? height = null, int? channels = null)
    {
        CheckSide(width, nameof(width));
        CheckSide(height, nameof(height));
        if (channels < 1)
            throw new ArgumentOutOfRangeException(nameof(channels), channels, "The number of channels must be at least 1.");
        (Width, Height, Channels) = (width, height, channels);
    }

    public ImageRequest(ImageShape shape, ResizingKind resizing)
        : this(shape.Width, shape.Height, shape.Channels) => Resizing = resizing;

    public int? Width { get; }

    public int? Height { get; }

    public int? Channels { get; }

    public ResizingKind Resizing { get; init; }

    private static void CheckSide(int? side, string name)
    {
        if (side is < 1 or > MaxSide)
            throw new ArgumentOutOfRangeException(name, side, $"A side of an image must have 1 to {MaxSide} pixels.");
    }
}
