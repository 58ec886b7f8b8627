namespace MLSharpness.Evidence.Data;

/// <summary>
/// Images to train on, to choose hyper-parameters and temperatures with, and to report; no image is in two of them.
/// </summary>
internal sealed record ImageSplit(ImageSet Training, ImageSet Validation, ImageSet Test);
