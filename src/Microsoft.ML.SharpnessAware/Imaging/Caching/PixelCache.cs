using System.Security.Cryptography;
using System.Text;
using SkiaSharp;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A folder of decoded images, a file for each data set, under a name made of two hashes: of the settings that pixels depend on, and of the
/// images as the data had them. Several processes may use one folder at a time.
/// </summary>
internal sealed class PixelCache(string folder, Action<string>? log = null)
{
    private const string Prefix = "pixels-";
    private const string Extension = ".cache";
    private const string TemporaryExtension = ".cache.tmp";

    // To be raised when the same file and settings give other pixels than before, or the format changes.
    private const int Version = 3;

    private readonly string _folder = Path.GetFullPath(folder);

    /// <summary>Opens a temporary file; tests put in a disk that is full.</summary>
    internal Func<string, Stream> OpenTemporary { get; init; } =
        static path => new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None);

    /// <summary>Gives a temporary file its name; tests put in a system that refuses to.</summary>
    internal Action<string, string> Move { get; init; } = static (from, to) => File.Move(from, to, overwrite: true);

    /// <summary>Deletes a file; tests put in a system that refuses to.</summary>
    internal Action<string> DeleteFile { get; init; } = File.Delete;

    /// <summary>Whether files that are mapped cannot be deleted, of which the system says that access is denied.</summary>
    internal bool MappedFilesStay { get; init; } = OperatingSystem.IsWindows();

    /// <summary>All settings that the pixels depend on, as text.</summary>
    public static string Settings(ImageColumn images) =>
        $"version {Version}, SkiaSharp {typeof(SKCodec).Assembly.GetName().Version}, {images.Settings}";

    /// <summary>Whether there is a file of these settings, so that it is worth to look at the content.</summary>
    public bool MayHave(ImageColumn images) =>
        Directory.Exists(_folder) && Directory.EnumerateFiles(_folder, $"{SettingsName(Settings(images))}*{Extension}").Any();

    /// <summary>The pixels of these settings and content; null where they are not in the cache, or not as they were written.</summary>
    public MappedPixels? Find(ImageColumn images, byte[] content, Action? checkCancelled)
    {
        string settings = Settings(images), path = PathOf(settings, content);
        if (!File.Exists(path))
            return null;
        try
        {
            if (Open(path, settings, content, checkCancelled) is { } pixels)
            {
                log?.Invoke($"The pixels of {pixels.Trailer.Count} images come from the cache '{path}'.");
                return pixels;
            }

            log?.Invoke($"The cache '{path}' is damaged and will be written again.");
        }
        catch (Exception exception) when (IsAboutFiles(exception))
        {
            log?.Invoke($"The cache '{path}' cannot be read and will be written again: {exception.Message}");
        }

        return null;
    }

    /// <summary>A new file for the images of these settings.</summary>
    public CacheSink Create(ImageColumn images) => new(this, images);

    /// <summary>Deletes all files of the cache, and what killed processes left; returns the bytes that they had.</summary>
    /// <exception cref="IOException">A file is in use; the others are deleted.</exception>
    public long Delete()
    {
        if (!Directory.Exists(_folder))
            return 0;
        long bytes = 0;
        IOException? inUse = null;
        foreach (FileInfo file in new DirectoryInfo(_folder).EnumerateFiles($"{Prefix}*{Extension}"))
        {
            long length = file.Length;
            try
            {
                DeleteFile(file.FullName);
                bytes += length;
            }
            catch (Exception exception) when (MappedFilesStay && IsAboutFiles(exception))
            {
                inUse = new IOException($"'{file.FullName}' cannot be deleted: {exception.Message.TrimEnd('.')}. If a training " +
                    "uses it, in this process or another, that must end first; else look at its permissions.", exception);
            }
        }

        bytes += DeleteAbandoned(TimeSpan.Zero);
        return inUse is null ? bytes : throw inUse;
    }

    /// <summary>Creates the folder if need be, and in it a file to write to.</summary>
    internal (string Path, Stream File) CreateTemporary()
    {
        Directory.CreateDirectory(_folder);
        DeleteAbandoned(TimeSpan.FromMinutes(1));
        string path = Path.Combine(_folder, Prefix + Path.GetRandomFileName() + TemporaryExtension);
        return (path, OpenTemporary(path));
    }

    /// <summary>Gives a temporary file that is complete its name, and maps it.</summary>
    internal ImagePixels Adopt(string temporary, CacheTrailer trailer)
    {
        string path = PathOf(trailer.Settings, trailer.Content);
        return Write<ImagePixels>(() =>
        {
            try
            {
                Move(temporary, path);
            }
            catch (Exception exception) when (IsAboutFiles(exception) && File.Exists(path))
            {
                // Another process has just written, and mapped, the same, which Windows then lets nobody replace.
                if (Open(path, trailer.Settings, trailer.Content, checkCancelled: null) is not { } same)
                    throw;
                log?.Invoke($"The pixels of {trailer.Count} images are in the cache '{path}' already.");
                return same;
            }

            FileStream file = OpenToRead(path);
            log?.Invoke($"The pixels of {trailer.Count} images are in the cache '{path}', {file.Length} bytes.");
            return new MappedPixels(file, trailer);
        });
    }

    /// <summary>Does something with the cache's files; where it fails the error tells the folder and what to do.</summary>
    internal T Write<T>(Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception exception) when (IsAboutFiles(exception))
        {
            throw CannotWrite(exception);
        }
    }

    internal static bool IsAboutFiles(Exception exception) => exception is IOException or UnauthorizedAccessException;

    internal IOException CannotWrite(Exception exception) => new(
        $"The images cannot be cached in the folder '{_folder}' (WorkspacePath): {exception.Message.TrimEnd('.')}. Make room " +
        "there, choose another folder, or leave WorkspacePath null, which keeps the pixels in memory.", exception);

    internal void Write(Action action) => Write(() =>
    {
        action();
        return true;
    });

    /// <summary>A file's pixels; null where they are of others, or not as they were written.</summary>
    private static MappedPixels? Open(string path, string settings, byte[] content, Action? checkCancelled)
    {
        FileStream file = OpenToRead(path);
        MappedPixels? pixels = null;
        try
        {
            if (CacheTrailer.Read(file) is { } trailer && trailer.Settings == settings && trailer.Content.AsSpan().SequenceEqual(content) &&
                trailer.Checksum.AsSpan().SequenceEqual(ChecksumOfPixels(file, trailer, checkCancelled)))
                pixels = new MappedPixels(file, trailer);
            return pixels;
        }
        finally
        {
            if (pixels is null)
                file.Dispose();
        }
    }

    // A file that is deleted or replaced while it is mapped lives on until the map goes (Windows refuses instead).
    private static FileStream OpenToRead(string path) => new(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);

    private static byte[] ChecksumOfPixels(FileStream file, CacheTrailer trailer, Action? checkCancelled)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] block = new byte[1 << 20];
        file.Position = 0;
        for (long left = trailer.Count * trailer.ImageBytes; left > 0;)
        {
            checkCancelled?.Invoke();
            Span<byte> part = block.AsSpan(0, (int)Math.Min(block.Length, left));
            file.ReadExactly(part);
            hash.AppendData(part);
            left -= part.Length;
        }

        return hash.GetHashAndReset();
    }

    private static string SettingsName(string settings) =>
        Prefix + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(settings)).AsSpan(0, 8)) + "-";

    private string PathOf(string settings, byte[] content) =>
        Path.Combine(_folder, SettingsName(settings) + Convert.ToHexStringLower(content.AsSpan(0, 16)) + Extension);

    /// <summary>
    /// Deletes temporary files that nobody writes to: whoever does has them locked, from just after they are made.
    /// </summary>
    private long DeleteAbandoned(TimeSpan age)
    {
        long bytes = 0;
        foreach (FileInfo file in new DirectoryInfo(_folder).EnumerateFiles($"{Prefix}*{TemporaryExtension}"))
        {
            if (DateTime.UtcNow - file.LastWriteTimeUtc < age)
                continue;
            try
            {
                using (new FileStream(file.FullName, FileMode.Open, FileAccess.ReadWrite, FileShare.None))
                    bytes += file.Length;
                file.Delete();
            }
            catch (Exception exception) when (IsAboutFiles(exception))
            {
                // Someone is writing to it.
            }
        }

        return bytes;
    }
}
