namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The files of decoded images that training keeps in <see cref="SharpnessAwareImageClassificationTrainer.Options.WorkspacePath"/>.
/// </summary>
public static class ImageCache
{
    /// <summary>
    /// Deletes the cached images in a folder, those that trainings of other data or settings left included, and nothing else there. The
    /// next training decodes its images again.
    /// </summary>
    /// <remarks>
    /// A running training continues undisturbed on Linux and macOS; on Windows its file is in use and cannot be deleted; the others are.
    /// </remarks>
    /// <param name="workspacePath">The folder that was the options' WorkspacePath. It need not exist.</param>
    /// <returns>The bytes of disk space that are free again.</returns>
    /// <exception cref="IOException">A file is in use; the message names it.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    public static long Delete(string workspacePath)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(workspacePath);
        return new PixelCache(workspacePath).Delete();
    }
}
