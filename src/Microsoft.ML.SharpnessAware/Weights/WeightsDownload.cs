using System.Security.Cryptography;
using System.Text;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Fetches a file of weights once, and from then on works without a network.</summary>
/// <remarks>
/// The checksum decides what is used: a file has its name in the cache only when it matches, and it is checked again each time. What an
/// interrupted download has left lies beside it with the ending .part and is continued (Range, If-Range) where the server can and the
/// file there is still the same; otherwise the download starts again. No address is built in. Where no checksum is known,
/// <see cref="GetTrustingFirstUseAsync"/> tells it.
/// </remarks>
/// <example>
/// <code>
/// options.InitialWeights = await WeightsDownload.GetAsync(new Uri("https://example.org/resnet18.safetensors"),
///     sha256: "…", cacheFolder: "weights",
///     new Progress&lt;WeightsDownloadProgress&gt;(p => Console.Write($"\r{p.BytesReceived:N0} bytes")));
/// </code>
/// </example>
public static class WeightsDownload
{
    private const long DefaultMaximumBytes = 4L << 30;

    /// <summary>Returns the path of the file in the cache, after downloading it where it is not there.</summary>
    /// <param name="address">Where the file is: http or https.</param>
    /// <param name="sha256">The SHA-256 checksum of the file, 64 hexadecimal digits, as whoever published the file states it.</param>
    /// <param name="cacheFolder">The folder of the cache, made where it does not exist. Several addresses can share it.</param>
    /// <param name="progress">Told after each piece that has arrived; not used where the file is in the cache.</param>
    /// <param name="maximumBytes">A longer file is refused, whatever the server says of its length. Default 4 GiB.</param>
    /// <param name="cancellationToken">Ends the download; what has arrived is kept for the next call.</param>
    /// <exception cref="ArgumentException">The address is not http or https, or the checksum not one.</exception>
    /// <exception cref="HttpRequestException">The server cannot be reached, says nothing for 100 seconds, or does not give the
    /// file.</exception>
    /// <exception cref="IOException">The connection broke off or fell silent for so long (call again to continue), the cache cannot be
    /// written, or another download of the file is under way.</exception>
    /// <exception cref="InvalidDataException">The file is another one than the checksum says, or too long. Nothing of it is
    /// kept.</exception>
    public static async Task<string> GetAsync(
        Uri address, string sha256, string cacheFolder, IProgress<WeightsDownloadProgress>? progress = null,
        long maximumBytes = DefaultMaximumBytes, CancellationToken cancellationToken = default)
    {
        Check(address, cacheFolder, maximumBytes);
        ArgumentException.ThrowIfNullOrWhiteSpace(sha256);
        if (!IsChecksum(sha256))
            throw new ArgumentException($"The checksum is '{sha256}'; a SHA-256 checksum has 64 hexadecimal digits.", nameof(sha256));

        string path = Path.Combine(Path.GetFullPath(cacheFolder), FileName(address, sha256));
        if (await IsCachedAsync(path, sha256, cancellationToken).ConfigureAwait(false))
            return path;
        Directory.CreateDirectory(cacheFolder);
        var part = new PartialFile(path);
        await using (FileStream content = part.Open())
        {
            await ResumedDownload.RunAsync(address, part, content, maximumBytes, progress, cancellationToken).ConfigureAwait(false);
            string actual = await ChecksumAsync(content, cancellationToken).ConfigureAwait(false);
            if (!actual.Equals(sha256, StringComparison.OrdinalIgnoreCase))
            {
                part.Discard(content);
                throw new InvalidDataException(
                    $"The file at {address} has the SHA-256 checksum {actual} and not {sha256.ToLowerInvariant()}: it is another file, " +
                    "or it was changed on the way. It is not kept.");
            }
        }
        part.Complete(path);
        return path;
    }

    /// <summary>
    /// As <see cref="GetAsync"/>, for an address whose checksum is not known yet: the first file that comes from it is trusted, and its
    /// checksum is returned and noted in the cache. From then on only that file is accepted from the address.
    /// </summary>
    /// <remarks>
    /// Compare the checksum with one from another place, or at least write it into the program and call <see cref="GetAsync"/> with it:
    /// what was noted protects this cache alone. To trust anew, delete the file that ends with <c>.trusted</c>.
    /// </remarks>
    /// <param name="address">Where the file is: http or https.</param>
    /// <param name="cacheFolder">The folder of the cache, made where it does not exist. Several addresses can share it.</param>
    /// <param name="progress">Told after each piece that has arrived; not used where the file is in the cache.</param>
    /// <param name="maximumBytes">A longer file is refused, whatever the server says of its length. Default 4 GiB.</param>
    /// <param name="cancellationToken">Ends the download; what has arrived is kept for the next call.</param>
    /// <exception cref="ArgumentException">The address is not http or https.</exception>
    /// <exception cref="HttpRequestException">The server cannot be reached, says nothing for 100 seconds, or does not give the
    /// file.</exception>
    /// <exception cref="IOException">The connection broke off or fell silent for so long (call again to continue), the cache cannot be
    /// written, or another download of the file is under way.</exception>
    /// <exception cref="InvalidDataException">The file is no longer the one that was trusted, or it is too long, or what was noted is
    /// damaged.</exception>
    public static async Task<TrustedWeights> GetTrustingFirstUseAsync(
        Uri address, string cacheFolder, IProgress<WeightsDownloadProgress>? progress = null,
        long maximumBytes = DefaultMaximumBytes, CancellationToken cancellationToken = default)
    {
        Check(address, cacheFolder, maximumBytes);
        string ofAddress = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(address.AbsoluteUri)));
        string path = Path.Combine(Path.GetFullPath(cacheFolder), FileName(address, ofAddress)), note = path + ".trusted";
        if (File.Exists(note))
        {
            string trusted = (await File.ReadAllTextAsync(note, cancellationToken).ConfigureAwait(false)).Trim();
            if (!IsChecksum(trusted))
            {
                throw new InvalidDataException(
                    $"'{note}' should hold the SHA-256 checksum of the file that was trusted, and does not. Write it there, or delete " +
                    "the file to trust what the address gives now.");
            }

            string known = await GetAsync(address, trusted, cacheFolder, progress, maximumBytes, cancellationToken).ConfigureAwait(false);
            return new TrustedWeights(known, trusted.ToLowerInvariant(), IsFirstUse: false);
        }

        Directory.CreateDirectory(cacheFolder);
        var part = new PartialFile(path);
        string checksum;
        await using (FileStream content = part.Open())
        {
            await ResumedDownload.RunAsync(address, part, content, maximumBytes, progress, cancellationToken).ConfigureAwait(false);
            checksum = await ChecksumAsync(content, cancellationToken).ConfigureAwait(false);
        }

        string named = Path.Combine(Path.GetFullPath(cacheFolder), FileName(address, checksum));
        part.Complete(named);
        AtomicFile.Write(note, file => file.Write(Encoding.ASCII.GetBytes(checksum)));
        return new TrustedWeights(named, checksum, IsFirstUse: true);
    }

    private static void Check(Uri address, string cacheFolder, long maximumBytes)
    {
        ArgumentNullException.ThrowIfNull(address);
        ArgumentException.ThrowIfNullOrWhiteSpace(cacheFolder);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maximumBytes);
        if (!address.IsAbsoluteUri || (address.Scheme != Uri.UriSchemeHttp && address.Scheme != Uri.UriSchemeHttps))
            throw new ArgumentException($"The address is '{address}'; it must begin with http:// or https://.", nameof(address));
    }

    private static bool IsChecksum(string text) => text.Length == 2 * SHA256.HashSizeInBytes && text.All(char.IsAsciiHexDigit);

    /// <summary>The address's last segment with the checksum's start, so that different files of one name can lie side by side.</summary>
    private static string FileName(Uri address, string sha256)
    {
        string segment = Uri.UnescapeDataString(address.Segments[^1]);
        string name = string.Concat(segment.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' ? c : '_')).Trim('.', '_');
        string stem = Shortened(Path.GetFileNameWithoutExtension(name), 100), extension = Shortened(Path.GetExtension(name), 20);
        return $"{(stem.Length == 0 ? "weights" : stem)}-{sha256[..16].ToLowerInvariant()}{extension}";

        static string Shortened(string text, int length) => text[..Math.Min(text.Length, length)];
    }

    private static async Task<bool> IsCachedAsync(string path, string sha256, CancellationToken cancellationToken)
    {
        if (!File.Exists(path))
            return false;
        await using FileStream content = File.OpenRead(path);
        return sha256.Equals(await ChecksumAsync(content, cancellationToken).ConfigureAwait(false), StringComparison.OrdinalIgnoreCase);
    }

    private static async Task<string> ChecksumAsync(FileStream content, CancellationToken cancellationToken)
    {
        content.Position = 0;
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(content, cancellationToken).ConfigureAwait(false));
    }
}
