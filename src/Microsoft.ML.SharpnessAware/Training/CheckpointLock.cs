namespace Microsoft.ML.SharpnessAware;

/// <summary>Keeps a second training away from a checkpoint: each would overwrite the other's. The system lets go of it when the process
/// ends, however that may be.</summary>
internal static class CheckpointLock
{
    private const string Suffix = ".lock";

    /// <summary>Takes the lock until the result is disposed.</summary>
    /// <exception cref="IOException">Another training has it.</exception>
    public static IDisposable Take(string path)
    {
        try
        {
            string file = RealPath.ToWrite(path) ?? Path.GetFullPath(path);
            return new FileStream(file + Suffix, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1,
                FileOptions.DeleteOnClose);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"CheckpointPath: another training keeps its checkpoint in '{path}'. Wait for its end, or give this " +
                $"one another path. ({e.Message})", e);
        }
    }
}
