namespace Microsoft.ML.SharpnessAware;

/// <summary>How many parameters a network has, from how many it is known to have.</summary>
/// <param name="Known">At 3 channels and <paramref name="KnownClasses"/> classes; of a vision transformer, at 224×224 pixels.</param>
/// <param name="KnownClasses">The number of classes of <paramref name="Known"/>.</param>
/// <param name="Features">What a class has a weight for, and a bias besides; also the width of a vision transformer.</param>
/// <param name="PerChannel">Weights of the first convolution for an input channel; null of a vision transformer, which has patches.</param>
internal sealed record NetworkSize(long Known, int KnownClasses, int Features, int? PerChannel)
{
    /// <summary>The number of trainable parameters.</summary>
    public long Parameters(int numberOfClasses, ImageShape input) => Known + ((numberOfClasses - (long)KnownClasses) * (Features + 1))
        + (PerChannel is int perChannel
            ? (input.Channels - 3L) * perChannel
            : Embedding(input) - Embedding(new ImageShape(3, 224, 224)));

    /// <summary>Weights that embed a patch, and one position for each patch.</summary>
    private long Embedding(ImageShape input)
    {
        long patch = VisionTransformer.PatchSize(input);
        return Features * ((input.Channels * patch * patch) + (input.Height / patch * (input.Width / patch)));
    }
}
