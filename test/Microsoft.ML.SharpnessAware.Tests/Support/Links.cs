namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Links in the file system, where this user may make them.</summary>
internal static class Links
{
    /// <summary>Makes a link to a file; the test is inconclusive where that is not allowed.</summary>
    public static void Make(string link, string target)
    {
        try
        {
            File.CreateSymbolicLink(link, target);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or PlatformNotSupportedException)
        {
            Assert.Inconclusive($"No link can be made here: {exception.Message}");
        }
    }
}
