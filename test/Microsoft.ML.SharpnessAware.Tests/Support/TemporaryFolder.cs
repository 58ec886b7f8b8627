namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>A folder that goes with the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("mlsharpness-").FullName;

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public string[] FileNames() => [.. Directory.EnumerateFiles(Path).Select(file => System.IO.Path.GetFileName(file))
        .Order(StringComparer.Ordinal)];

    public void Dispose()
    {
        // ML.NET's finalizers delete its own folders in here, perhaps at the same moment: what is gone already is no failure.
        while (Directory.Exists(Path))
        {
            try
            {
                Directory.Delete(Path, recursive: true);
            }
            catch (DirectoryNotFoundException)
            {
            }
        }
    }
}
