using System.Globalization;
using System.Net;
using System.Net.Http.Headers;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The transfer of a file, continued where an earlier one broke off if the server can and the file is still the same.</summary>
internal static class ResumedDownload
{
    private const int BufferSize = 128 * 1024;

    private static readonly TimeSpan DefaultPatience = TimeSpan.FromSeconds(100);

    private static readonly HttpClient Client = new(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(5) })
    {
        Timeout = Timeout.InfiniteTimeSpan,     // see HearAsync, which watches the whole body, too
    };

    /// <summary>How long a server may say nothing; null is <see cref="DefaultPatience"/>. Tests shorten it for downloads of their own.
    /// </summary>
    internal static readonly AsyncLocal<TimeSpan?> Patience = new();

    /// <summary>Writes what is missing of a file behind what is there of it.</summary>
    /// <exception cref="HttpRequestException">The server cannot be reached, or does not give the file.</exception>
    /// <exception cref="IOException">The connection broke off or fell silent; what has arrived is kept.</exception>
    /// <exception cref="InvalidDataException">The file is too long. Nothing of it is kept.</exception>
    public static async Task RunAsync(Uri address, PartialFile part, FileStream content, long maximumBytes,
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
            throw new TimeoutException($"The server has said nothing for {(int)patience.TotalSeconds} seconds.", e);
        }
    }

    /// <summary>What If-Range takes to continue this very file: a strong ETag, else the time of its last change, else nothing.</summary>
    private static string? Version(HttpResponseMessage response) =>
        response.Headers.ETag is { IsWeak: false } tag ? tag.Tag
        : response.Content.Headers.LastModified?.ToString("R", CultureInfo.InvariantCulture);
}
