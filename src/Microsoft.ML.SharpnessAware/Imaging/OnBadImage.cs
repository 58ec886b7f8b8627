namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What training does about images that cannot be used: files that are empty, damaged or not images, and pixels that are not numbers. A
/// file that cannot be opened or read is an error always: nothing is known of it.
/// </summary>
/// <remarks>Images are named by their row, and by their path where the data have it: the text column <c>ImagePath</c>, else the only one
/// whose name ends with Path, FileName or ImageSource.</remarks>
public enum OnBadImage
{
    /// <summary>All images are looked at, and then an error names the bad ones.</summary>
    Error,

    /// <summary>Bad images are left out, and a warning in <see cref="MLContext.Log"/> counts and names them.</summary>
    Skip,
}
