namespace Microsoft.ML.SharpnessAware;

/// <summary>What has arrived of a file, and which version of the file it is.</summary>
internal sealed class PartialFile(string path)
{
    private const int BufferSize = 128 * 1024;

    private readonly string _content = path + ".part";
    private readonly string _version = path + ".part.version";

    /// <summary>Opens it for this download alone.</summary>
    public FileStream Open() => new(_content, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, BufferSize, useAsync: true);

    public string? ReadVersion() => File.Exists(_version) ? File.ReadAllText(_version) : null;

    /// <summary>Begins anew with a version of the file that can be continued, or cannot (null).</summary>
    public void Restart(FileStream content, string? version)
    {
        Discard(content);
        if (version is not null)
            File.WriteAllText(_version, version);
    }

    public void Discard(FileStream content)
    {
        content.SetLength(0);
        File.Delete(_version);
    }

    /// <summary>Gives the file its name. The stream is closed.</summary>
    public void Complete(string name)
    {
        File.Move(_content, name, overwrite: true);
        File.Delete(_version);
    }
}
