namespace Microsoft.ML.SharpnessAware;

/// <summary>The shape of one image as a network sees it: channels first, sizes in pixels.</summary>
internal readonly record struct ImageShape(int Channels, int Height, int Width)
{
    /// <summary>How many values an image has.</summary>
    public int ValueCount => checked(Channels * Height * Width);
}
