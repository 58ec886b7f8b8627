using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
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
    private const int BufferSize = 128 * 1024;
    private const long DefaultMaximumBytes = 4L << 30;

    private static readonly TimeSpan DefaultPatience = TimeSpan.FromSeconds(100);

    private static readonly HttpClient Client = new(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(5) })
    {
        Timeout = Timeout.InfiniteTimeSpan,     // see HearAsync, which watches the whole body, too
    };

    /// <summary>How long a server may say nothing; null is <see cref="DefaultPatience"/>. Tests shorten it for downloads of their own.
    /// </summary>
    internal static readonly AsyncLocal<TimeSpan?> Patience = new();

    /// <summary>Returns the path of the file in the cache, after downloading it where it is not there.</summary>
    /// <param name="address">Where the file is: http or https.</param>
    /// <param name="sha256">The SHA-256 checksum of the file, 64 hexadecimal digits, as whoever published the file states it.</param>
    /// <param name="cacheFolder">The folder of the cache, made where it does not exist. Several addresses can share it.</param>
    /// <param name="progress">Told after each piece that has arrived; not used where the file is in the cache.</param>
    /// <param name="cancellationToken">Ends the download; what has arrived is kept for the next call.</param>
    /// <param name="maximumBytes">A longer file is refused, whatever the server says of its length. Default 4 GiB.</param>
    /// <exception cref="ArgumentException">The address is not http or https, or the checksum not one.</exception>
    /// <exception cref="HttpRequestException">The server cannot be reached, says nothing for 100 seconds, or does not give the
    /// file.</exception>
    /// <exception cref="IOException">The connection broke off or fell silent for so long (call again to continue), the cache cannot be
    /// written, or another download of the file is under way.</exception>
    /// <exception cref="InvalidDataException">The file is another one than the checksum says, or too long. Nothing of it is
    /// kept.</exception>
    public static async Task<string> GetAsync(
        Uri address, string sha256, string cacheFolder, IProgress<WeightsDownloadProgress>? progress = null,
        CancellationToken cancellationToken = default, long maximumBytes = DefaultMaximumBytes)
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
            await DownloadAsync(address, part, content, maximumBytes, progress, cancellationToken).ConfigureAwait(false);
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
    /// <param name="cancellationToken">Ends the download; what has arrived is kept for the next call.</param>
    /// <param name="maximumBytes">A longer file is refused, whatever the server says of its length. Default 4 GiB.</param>
    /// <exception cref="ArgumentException">The address is not http or https.</exception>
    /// <exception cref="HttpRequestException">The server cannot be reached, says nothing for 100 seconds, or does not give the
    /// file.</exception>
    /// <exception cref="IOException">The connection broke off or fell silent for so long (call again to continue), the cache cannot be
    /// written, or another download of the file is under way.</exception>
    /// <exception cref="InvalidDataException">The file is no longer the one that was trusted, or it is too long, or what was noted is
    /// damaged.</exception>
    public static async Task<TrustedWeights> GetTrustingFirstUseAsync(
        Uri address, string cacheFolder, IProgress<WeightsDownloadProgress>? progress = null,
        CancellationToken cancellationToken = default, long maximumBytes = DefaultMaximumBytes)
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

            string known = await GetAsync(address, trusted, cacheFolder, progress, cancellationToken, maximumBytes).ConfigureAwait(false);
            return new TrustedWeights(known, trusted.ToLowerInvariant(), IsFirstUse: false);
        }

        Directory.CreateDirectory(cacheFolder);
        var part = new PartialFile(path);
        string checksum;
        await using (FileStream content = part.Open())
        {
            await DownloadAsync(address, part, content, maximumBytes, progress, cancellationToken).ConfigureAwait(false);
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

    private static async Task DownloadAsync(Uri address, PartialFile part, FileStream content, long maximumBytes,
        IProgress<WeightsDownloadProgress>? progress, CancellationToken cancellationToken)
    {
        using HttpResponseMessage response = await RequestAsync(address, part, content, cancellationToken).ConfigureAwait(false);
        long? total = response.Content.Headers.ContentLength + content.Length;
        if (total > maximumBytes)
            throw TooLong();

        content.Position = content.Length;
        byte[] buffer = new byte[BufferSize];
        await using Stream body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        int count;
        while ((count = await ReadAsync().ConfigureAwait(false)) > 0)
        {
            if (content.Length + count > maximumBytes)
                throw TooLong();
            await content.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
            progress?.Report(new WeightsDownloadProgress(content.Length, total));
        }

        async Task<int> ReadAsync()
        {
            try
            {
                return await HearAsync(token => body.ReadAsync(buffer, token), cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or TimeoutException)
            {
                throw new IOException(
                    $"The connection to {address.Host} broke off after {content.Length} bytes{(total is null ? "" : $" of {total}")}. " +
                    "They are kept; download again to continue.", e);
            }
        }

        InvalidDataException TooLong()
        {
            part.Discard(content);
            return new InvalidDataException($"The file at {address} is longer than the {maximumBytes} bytes that are allowed. It is not " +
                "kept.");
        }
    }

    /// <summary>
    /// The answer whose body belongs behind what is there: the rest of the file, or all of it and what was there is gone.
    /// </summary>
    private static async Task<HttpResponseMessage> RequestAsync(
        Uri address, PartialFile part, FileStream content, CancellationToken cancellationToken)
    {
        string? version = content.Length > 0 ? part.ReadVersion() : null;
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        request.Headers.TryAddWithoutValidation("Accept-Encoding", "identity");
        if (version is not null)
        {
            request.Headers.Range = new RangeHeaderValue(content.Length, null);
            request.Headers.TryAddWithoutValidation("If-Range", version);
        }

        HttpResponseMessage response;
        try
        {
            response = await HearAsync(token => new ValueTask<HttpResponseMessage>(
                Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, token)), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is HttpRequestException or TimeoutException)
        {
            var error = e as HttpRequestException;
            throw new HttpRequestException(error?.HttpRequestError ?? HttpRequestError.Unknown,
                $"{address} cannot be reached, and the file is not in the cache. {e.Message}", e, error?.StatusCode);
        }

        if (response.StatusCode == HttpStatusCode.PartialContent && response.Content.Headers.ContentRange?.From == content.Length)
            return response;
        if (response.StatusCode == HttpStatusCode.OK)
        {
            part.Restart(content, Version(response));
            return response;
        }

        using (response)
        {
            bool cannotContinueHere = response.StatusCode is HttpStatusCode.PartialContent or HttpStatusCode.RequestedRangeNotSatisfiable;
            if (version is null || !cannotContinueHere)
            {
                throw new HttpRequestException(
                    $"The server answered {(int)response.StatusCode} ({response.ReasonPhrase}) for {address}.", inner: null,
                        response.StatusCode);
            }
        }
        // Without the part it can only be asked for the whole.
        part.Discard(content);
        return await RequestAsync(address, part, content, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What the server says next.</summary>
    /// <exception cref="TimeoutException">It says nothing, as where a cable was pulled: no error ever comes of that by itself.</exception>
    private static async Task<T> HearAsync<T>(Func<CancellationToken, ValueTask<T>> next, CancellationToken cancellationToken)
    {
        TimeSpan patience = Patience.Value ?? DefaultPatience;
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limited.CancelAfter(patience);
        try
        {
            return await next(limited.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw new TimeoutException($"The server has said nothing for {patience.TotalSeconds:0} seconds.", e);
        }
    }

    /// <summary>What If-Range takes to continue this very file: a strong ETag, else the time of its last change, else nothing.</summary>
    private static string? Version(HttpResponseMessage response) =>
        response.Headers.ETag is { IsWeak: false } tag ? tag.Tag
        : response.Content.Headers.LastModified?.ToString("R", CultureInfo.InvariantCulture);

    /// <summary>What has arrived of a file, and which version of the file it is.</summary>
    private sealed class PartialFile(string path)
    {
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
}
