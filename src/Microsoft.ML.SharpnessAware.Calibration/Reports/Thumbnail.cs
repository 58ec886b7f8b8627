namespace Microsoft.ML.SharpnessAware;

/// <summary>A small picture of a row's image, or why there is none.</summary>
internal sealed record Thumbnail
{
    /// <summary>The largest width and height, in pixels.</summary>
    public const int MaximumSide = 96;

    private Thumbnail()
    {
    }

    /// <summary>Why the image cannot be shown; null if it can.</summary>
    public string? Problem { get; private init; }

    /// <summary>The encoded picture, PNG or JPEG.</summary>
    public byte[] File { get; private init; } = [];

    public string MediaType { get; private init; } = "";

    public int Width { get; private init; }

    public int Height { get; private init; }

    public static Thumbnail Png(byte[] file, int width, int height)
        => new() { File = file, MediaType = "image/png", Width = width, Height = height };

    public static Thumbnail Jpeg(byte[] file, int width, int height)
        => new() { File = file, MediaType = "image/jpeg", Width = width, Height = height };

    public static Thumbnail Failed(string problem) => new() { Problem = problem };
}
