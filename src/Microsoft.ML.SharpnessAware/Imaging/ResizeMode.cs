namespace Microsoft.ML.SharpnessAware;

/// <summary>How an image whose sides are in another proportion than the network's input is brought to its size.</summary>
public enum ResizeMode
{
    /// <summary>The whole image, stretched: nothing is lost, but shapes are distorted.</summary>
    Stretch,

    /// <summary>The largest part in the middle that has the right proportion: shapes stay, what lies at the edges is lost.</summary>
    Crop,

    /// <summary>
    /// The whole image, as large as it fits, in the middle of a black ground: shapes stay and nothing is lost, but everything is smaller.
    /// </summary>
    Pad,
}
