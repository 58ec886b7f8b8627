namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// How an image whose sides are in another proportion than the network's input is brought to its size. The names are those of ML.NET's
/// <see cref="Microsoft.ML.Transforms.Image.ImageResizingEstimator.ResizingKind"/>.
/// </summary>
public enum ResizingKind
{
    /// <summary>The whole image, stretched: nothing is lost, but shapes are distorted.</summary>
    Fill,

    /// <summary>The largest part in the middle that has the right proportion: shapes stay, what lies at the edges is lost.</summary>
    IsoCrop,

    /// <summary>
    /// The whole image, as large as it fits, in the middle of a black ground: shapes stay and nothing is lost, but everything is smaller.
    /// </summary>
    IsoPad,
}
