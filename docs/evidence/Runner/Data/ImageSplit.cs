namespace MLSharpness.Evidence.Data;

/// <summary>
/// Images to train on, to choose hyper-parameters and temperatures with, and to report; no image is in two of them.
/// </summary>
internal sealed record ImageSplit(ImageSet Training, ImageSet Validation, ImageSet Test)
{
    /// <summary>Each image at half its size, within a black border.</summary>
    public ImageSplit Halved(int border) => new(Training.Halved(border), Validation.Halved(border), Test.Halved(border));

    /// <summary>Each image in grey.</summary>
    public ImageSplit Grey() => new(Training.Grey(), Validation.Grey(), Test.Grey());
}
