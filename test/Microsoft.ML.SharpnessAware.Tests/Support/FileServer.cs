using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>An HTTP server of one file on the loopback address, which can misbehave.</summary>
internal sealed class FileServer : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);

    public FileServer(byte[] content)
    {
        Content = content;
        _listener.Start();
        _ = ServeAsync();
    }

    public byte[] Content { get; set; }

    public string? ETag { get; set; } = "\"v1\"";

    public string? LastModified { get; set; }

    public bool KnowsRanges { get; set; } = true;

    /// <summary>Closes the connection after this many bytes of the body.</summary>
    public int? CutAfter { get; set; }

    /// <summary>Says nothing more after this many bytes of the body and leaves the connection open; nothing at all where it is negative.
    /// </summary>
    public int? SilentAfter { get; set; }

    /// <summary>Answers this in place of the file.</summary>
    public string? Status { get; set; }

    /// <summary>Does not tell the length: the body ends with the connection.</summary>
    public bool HidesLength { get; set; }

    /// <summary>The value of the Content-Range header, where it is to be wrong.</summary>
    public string? ContentRange { get; set; }

    /// <summary>The headers of each request, in order.</summary>
    public ConcurrentQueue<Dictionary<string, string>> Requests { get; } = [];

    public Uri Address => new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/files/tiny.safetensors?download=true");

    public void Dispose() => _listener.Dispose();

    private async Task ServeAsync()
    {
        while (true)
        {
            TcpClient client;
            try
            {
                client = await _listener.AcceptTcpClientAsync();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;
            }
            using (client)
                await AnswerAsync(client.GetStream());
        }
    }

    private async Task AnswerAsync(NetworkStream stream)
    {
        using var reader = new StreamReader(stream, Encoding.ASCII, leaveOpen: true);
        if (await reader.ReadLineAsync() is null)
            return;
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        while (await reader.ReadLineAsync() is { Length: > 0 } line)
            headers[line[..line.IndexOf(':')]] = line[(line.IndexOf(':') + 1)..].Trim();
        Requests.Enqueue(headers);

        if (SilentAfter < 0)
        {
            await ClosedAsync(stream);
            return;
        }
        int start = 0;
        if (KnowsRanges && headers.TryGetValue("Range", out string? range)
            && (!headers.TryGetValue("If-Range", out string? version) || version == ETag || version == LastModified))
            start = int.Parse(range["bytes=".Length..^1], CultureInfo.InvariantCulture);
        string status = Status ?? (start == 0 ? "200 OK" : start < Content.Length ? "206 Partial Content" : "416 Range Not Satisfiable");
        byte[] body = status[0] == '2' ? Content[start..] : [];
        var answer = new StringBuilder($"HTTP/1.1 {status}\r\nConnection: close\r\n");
        if (!HidesLength)
            answer.Append($"Content-Length: {body.Length}\r\n");
        if (start > 0)
            answer.Append($"Content-Range: {ContentRange ?? $"bytes {start}-{Content.Length - 1}/{Content.Length}"}\r\n");
        if (ETag is not null)
            answer.Append($"ETag: {ETag}\r\n");
        if (LastModified is not null)
            answer.Append($"Last-Modified: {LastModified}\r\n");
        await stream.WriteAsync(Encoding.ASCII.GetBytes(answer.Append("\r\n").ToString()));
        await stream.WriteAsync(body.AsMemory(0, Math.Min(body.Length, CutAfter ?? SilentAfter ?? body.Length)));
        if (SilentAfter is not null)
            await ClosedAsync(stream);
    }

    private static async Task ClosedAsync(NetworkStream stream)
    {
        try
        {
            await stream.ReadExactlyAsync(new byte[1]);
        }
        catch (IOException)
        {
            // The other side has gone.
        }
    }
}
