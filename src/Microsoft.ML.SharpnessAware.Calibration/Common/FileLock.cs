namespace Microsoft.ML.SharpnessAware;

/// <summary>Keeps others away from files that are written for hours, by one beside them. The system lets go of it when the process ends,
/// however that may be; what is left of it then is an empty file, and no obstacle.</summary>
internal static class FileLock
{
    private const string Suffix = ".lock";

    // That somebody else has locked the file, as Linux, macOS and Windows say it.
    private static readonly int[] IsLocked = [11, 35, unchecked((int)0x80070020)];

    /// <summary>Takes the lock until the result is disposed; null where somebody else has it.</summary>
    /// <exception cref="IOException">There can be none.</exception>
    public static IDisposable? TryTake(string path)
    {
        string file = (RealPath.ToWrite(path) ?? Path.GetFullPath(path)) + Suffix;
        try
        {
            // Only to read, which is allowed of what another user has left.
            return new FileStream(file, FileMode.OpenOrCreate, FileAccess.Read, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
        }
        catch (IOException e) when (IsLocked.Contains(e.HResult))
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"'{file}', which keeps others away, cannot be made: {e.Message} Delete it if nobody writes there.", e);
        }
    }
}
