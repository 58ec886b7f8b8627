using System.Net;
using System.Security.Cryptography;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class WeightsDownloadTests
{
    private const int Length = 300_000;

    private readonly byte[] _content = new byte[Length];
    private readonly TemporaryFolder _cache = new();
    private readonly FileServer _server;
    private readonly string _checksum;

    public WeightsDownloadTests()
    {
        new Random(1).NextBytes(_content);
        _checksum = Convert.ToHexString(SHA256.HashData(_content));
        _server = new FileServer(_content);
    }

    [TestCleanup]
    public void Clean()
    {
        _server.Dispose();
        _cache.Dispose();
    }

    [TestMethod]
    public async Task AFileIsDownloadedOnceAndThenNeedsNoNetwork()
    {
        var progress = new Collected();
        string path = await Get(progress);
        CollectionAssert.AreEqual(_content, await File.ReadAllBytesAsync(path));
        Assert.AreEqual($"tiny-{_checksum[..16].ToLowerInvariant()}.safetensors", Path.GetFileName(path));
        CollectionAssert.AreEqual(new[] { Path.GetFileName(path) }, _cache.FileNames());
        Assert.AreEqual(new WeightsDownloadProgress(Length, Length), progress.Reports[^1]);
        CollectionAssert.AreEqual(progress.Reports.OrderBy(report => report.BytesReceived).ToArray(), progress.Reports);

        _server.Dispose();
        Assert.AreEqual(path, await Get());
        Assert.HasCount(1, _server.Requests);
    }

    /// <summary>Nobody answers there: an address that is refused is not even tried.</summary>
    [TestMethod]
    public async Task AddressesOfHttpsAreTried()
    {
        Uri https = new UriBuilder(_server.Address) { Scheme = "https" }.Uri;
        _server.Dispose();

        await Assert.ThrowsExactlyAsync<HttpRequestException>(() => WeightsDownload.GetAsync(https, _checksum, _cache.Path));
        await Assert.ThrowsExactlyAsync<HttpRequestException>(() => WeightsDownload.GetTrustingFirstUseAsync(https, _cache.Path));
    }

    [TestMethod]
    public async Task ALongNameIsShortenedToOneThatAFileCanHave()
    {
        Uri address = new(_server.Address, $"/{new string('a', 300)}.bin");

        string path = await WeightsDownload.GetAsync(address, _checksum, _cache.Path);

        Assert.AreEqual($"{new string('a', 100)}-{_checksum[..16].ToLowerInvariant()}.bin", Path.GetFileName(path));
    }

    [TestMethod]
    public async Task ACutConnectionIsAnErrorAndTheNextCallFetchesOnlyTheRest()
    {
        _server.CutAfter = 100_000;
        IOException exception = await Assert.ThrowsExactlyAsync<IOException>(() => Get());
        StringAssert.Contains(exception.Message, $"broke off after 100000 bytes of {Length}");
        Assert.IsFalse(_cache.FileNames().Any(name => name.EndsWith(".safetensors", StringComparison.Ordinal)));

        _server.CutAfter = 120_000;
        exception = await Assert.ThrowsExactlyAsync<IOException>(() => Get());
        StringAssert.Contains(exception.Message, $"broke off after 220000 bytes of {Length}");

        _server.CutAfter = null;
        var progress = new Collected();
        string path = await Get(progress);
        CollectionAssert.AreEqual(_content, await File.ReadAllBytesAsync(path));
        Assert.HasCount(1, _cache.FileNames());
        Assert.IsGreaterThan(220_000L, progress.Reports[0].BytesReceived);
        Assert.AreEqual(new WeightsDownloadProgress(Length, Length), progress.Reports[^1]);
        CollectionAssert.AreEqual(
            new[] { null, "bytes=100000-", "bytes=220000-" }, _server.Requests.Select(request => request.GetValueOrDefault("Range"))
                .ToArray());
        Assert.AreEqual("\"v1\"", _server.Requests.Last()["If-Range"]);
    }

    [TestMethod]
    public async Task AServerThatIgnoresRangesGivesTheWholeFile()
    {
        await Cut(100_000);
        _server.KnowsRanges = false;
        CollectionAssert.AreEqual(_content, await File.ReadAllBytesAsync(await Get()));
        Assert.IsTrue(_server.Requests.Last().ContainsKey("Range"));
    }

    [TestMethod]
    public async Task AFileThatHasChangedMeanwhileIsFetchedFromItsStart()
    {
        _server.Content = [.. _content.Reverse()];
        await Cut(100_000);
        (_server.Content, _server.ETag) = (_content, "\"v2\"");
        CollectionAssert.AreEqual(_content, await File.ReadAllBytesAsync(await Get()));
    }

    [TestMethod]
    public async Task WithoutAnETagTheTimeOfTheLastChangeTellsTheVersion()
    {
        _server.ETag = "W/\"weak\"";
        _server.LastModified = "Wed, 21 Oct 2015 07:28:00 GMT";
        await Cut(100_000);
        CollectionAssert.AreEqual(_content, await File.ReadAllBytesAsync(await Get()));
        Assert.AreEqual(_server.LastModified, _server.Requests.Last()["If-Range"]);
        Assert.AreEqual("bytes=100000-", _server.Requests.Last()["Range"]);
    }

    [TestMethod]
    public async Task AFileOfUnknownVersionIsNotContinued()
    {
        _server.ETag = null;
        await Cut(100_000);
        CollectionAssert.AreEqual(_content, await File.ReadAllBytesAsync(await Get()));
        Assert.IsFalse(_server.Requests.Last().ContainsKey("Range"));
    }

    [TestMethod]
    [DataRow("bytes 0-9/10")]
    [DataRow("bytes */300000")]
    public async Task AnAnswerWithAnotherPartThanAskedForIsNotUsed(string contentRange)
    {
        await Cut(100_000);
        _server.ContentRange = contentRange;
        CollectionAssert.AreEqual(_content, await File.ReadAllBytesAsync(await Get()));
        Assert.HasCount(3, _server.Requests);
        Assert.IsFalse(_server.Requests.Last().ContainsKey("Range"));
    }

    [TestMethod]
    public async Task APartAsLongAsTheFileIsFetchedAnew()
    {
        await Cut(100_000);
        string part = Directory.EnumerateFiles(_cache.Path, "*.part").Single();
        await File.WriteAllBytesAsync(part, new byte[Length]);
        CollectionAssert.AreEqual(_content, await File.ReadAllBytesAsync(await Get()));
    }

    [TestMethod]
    public async Task AFileOfUnknownLengthIsDownloadedAndACutNoticedByTheChecksum()
    {
        _server.HidesLength = true;
        await Cut<InvalidDataException>(100_000);
        var progress = new Collected();
        CollectionAssert.AreEqual(_content, await File.ReadAllBytesAsync(await Get(progress)));
        Assert.AreEqual(new WeightsDownloadProgress(Length, null), progress.Reports[^1]);
    }

    [TestMethod]
    public async Task AWrongChecksumIsAnErrorWithBothAndNothingIsKept()
    {
        _server.Content = [.. _content.Reverse()];
        InvalidDataException exception = await Assert.ThrowsExactlyAsync<InvalidDataException>(() => Get());
        StringAssert.Contains(exception.Message, _checksum.ToLowerInvariant());
        StringAssert.Contains(exception.Message, Convert.ToHexStringLower(SHA256.HashData(_server.Content)));
        Assert.AreEqual(0, Directory.EnumerateFiles(_cache.Path).Sum(file => new FileInfo(file).Length));

        _server.Content = _content;
        CollectionAssert.AreEqual(_content, await File.ReadAllBytesAsync(await Get()));
    }

    [TestMethod]
    public async Task ADamagedFileInTheCacheIsReplaced()
    {
        string path = await Get();
        byte[] damaged = (byte[])_content.Clone();
        damaged[7] ^= 1;
        await File.WriteAllBytesAsync(path, damaged);
        CollectionAssert.AreEqual(_content, await File.ReadAllBytesAsync(await Get()));
        Assert.HasCount(2, _server.Requests);
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public async Task ATooLongFileIsRefused(bool hidesLength)
    {
        _server.HidesLength = hidesLength;
        InvalidDataException exception = await Assert.ThrowsExactlyAsync<InvalidDataException>(
            () => WeightsDownload.GetAsync(_server.Address, _checksum, _cache.Path, maximumBytes: Length - 1));
        StringAssert.Contains(exception.Message, $"longer than the {Length - 1} bytes");
        Assert.AreEqual(0, Directory.EnumerateFiles(_cache.Path).Sum(file => new FileInfo(file).Length));
        await WeightsDownload.GetAsync(_server.Address, _checksum, _cache.Path, maximumBytes: Length);
    }

    [TestMethod]
    public async Task AnErrorOfTheServerIsToldAndKeepsWhatHasArrived()
    {
        await Cut(100_000);
        _server.Status = "503 Service Unavailable";
        HttpRequestException exception = await Assert.ThrowsExactlyAsync<HttpRequestException>(() => Get());
        Assert.AreEqual(HttpStatusCode.ServiceUnavailable, exception.StatusCode);
        StringAssert.Contains(exception.Message, "503 (Service Unavailable)");
        StringAssert.Contains(exception.Message, "tiny.safetensors");

        _server.Status = null;
        await Get();
        Assert.AreEqual("bytes=100000-", _server.Requests.Last()["Range"]);
    }

    [TestMethod]
    public async Task NoServerAndNoCacheIsToldAsThat()
    {
        _server.Dispose();
        HttpRequestException exception = await Assert.ThrowsExactlyAsync<HttpRequestException>(() => Get());
        StringAssert.Contains(exception.Message, "cannot be reached, and the file is not in the cache");
    }

    [TestMethod]
    public async Task ACancelledDownloadIsContinued()
    {
        using var source = new CancellationTokenSource();
        var progress = new Collected { OnReport = _ => source.Cancel() };
        await Assert.ThrowsAsync<OperationCanceledException>(() => Get(progress, source.Token));
        CollectionAssert.AreEqual(_content, await File.ReadAllBytesAsync(await Get()));
        Assert.IsTrue(_server.Requests.Last().ContainsKey("Range"));
    }

    [TestMethod]
    public async Task AServerThatFallsSilentIsAnErrorAndTheNextCallFetchesTheRest()
    {
        ResumedDownload.Patience.Value = TimeSpan.FromSeconds(0.7);
        _server.SilentAfter = -1;
        HttpRequestException silent = await Assert.ThrowsExactlyAsync<HttpRequestException>(() => Get());
        StringAssert.Contains(silent.Message, "said nothing for");

        ResumedDownload.Patience.Value = TimeSpan.FromSeconds(5);       // the server has to be quicker than that with what it does send
        _server.SilentAfter = 100_000;
        IOException broken = await Assert.ThrowsExactlyAsync<IOException>(() => Get());
        StringAssert.Contains(broken.Message, $"broke off after 100000 bytes of {Length}");

        ResumedDownload.Patience.Value = null;
        _server.SilentAfter = null;
        CollectionAssert.AreEqual(_content, await File.ReadAllBytesAsync(await Get()));
        Assert.AreEqual("bytes=100000-", _server.Requests.Last()["Range"]);
    }

    [TestMethod]
    [DataRow(-1)]
    [DataRow(100_000)]
    public async Task WhoCancelsWhileTheServerIsSilentIsToldOfThat(int silentAfter)
    {
        _server.SilentAfter = silentAfter;
        using var source = new CancellationTokenSource(TimeSpan.FromSeconds(0.3));
        await Assert.ThrowsAsync<OperationCanceledException>(() => Get(cancellationToken: source.Token));
    }

    [TestMethod]
    public async Task TwoDownloadsOfAFileDoNotMix()
    {
        await Cut(100_000);
        string part = Directory.EnumerateFiles(_cache.Path, "*.part").Single();
        using (new FileStream(part, FileMode.Open, FileAccess.ReadWrite, FileShare.None))
            await Assert.ThrowsExactlyAsync<IOException>(() => Get());
        CollectionAssert.AreEqual(_content, await File.ReadAllBytesAsync(await Get()));
    }

    [TestMethod]
    public async Task OnFirstUseAFileIsTrustedAndItsChecksumToldAndFromThenOnOnlyThatFile()
    {
        string folder = _cache.Path;
        TrustedWeights first = await WeightsDownload.GetTrustingFirstUseAsync(_server.Address, folder);
        Assert.IsTrue(first.IsFirstUse);
        Assert.AreEqual(_checksum.ToLowerInvariant(), first.Sha256);
        CollectionAssert.AreEqual(_content, await File.ReadAllBytesAsync(first.Path));
        Assert.AreEqual(first.Path, await Get(), "pinned, it is the same file and needs no network");
        Assert.HasCount(1, _server.Requests);

        TrustedWeights second = await WeightsDownload.GetTrustingFirstUseAsync(_server.Address, folder);
        Assert.AreEqual(first with { IsFirstUse = false }, second);
        Assert.HasCount(1, _server.Requests);

        _server.Content = [.. _content.Select(value => (byte)~value)];
        _server.ETag = "\"v2\"";
        File.Delete(first.Path);
        InvalidDataException exception = await Assert.ThrowsExactlyAsync<InvalidDataException>(
            () => WeightsDownload.GetTrustingFirstUseAsync(_server.Address, folder));
        StringAssert.Contains(exception.Message, first.Sha256);

        string note = Directory.GetFiles(folder, "*.trusted").Single();
        File.WriteAllText(note, "perhaps");
        exception = await Assert.ThrowsExactlyAsync<InvalidDataException>(
            () => WeightsDownload.GetTrustingFirstUseAsync(_server.Address, folder));
        StringAssert.Contains(exception.Message, note);

        File.Delete(note);
        TrustedWeights anew = await WeightsDownload.GetTrustingFirstUseAsync(_server.Address, folder);
        Assert.IsTrue(anew.IsFirstUse);
        CollectionAssert.AreEqual(_server.Content, await File.ReadAllBytesAsync(anew.Path));
    }

    [TestMethod]
    public async Task AFirstUseThatBreaksOffTrustsNothingAndIsContinued()
    {
        _server.CutAfter = 100_000;
        await Assert.ThrowsExactlyAsync<IOException>(() => WeightsDownload.GetTrustingFirstUseAsync(_server.Address, _cache.Path));
        Assert.IsEmpty(Directory.GetFiles(_cache.Path, "*.trusted"));

        _server.CutAfter = null;
        TrustedWeights weights = await WeightsDownload.GetTrustingFirstUseAsync(_server.Address, _cache.Path);
        Assert.AreEqual(_checksum.ToLowerInvariant(), weights.Sha256);
        Assert.AreEqual("bytes=100000-", _server.Requests.Last()["Range"]);
        Assert.HasCount(2, _cache.FileNames());
        await Assert.ThrowsExactlyAsync<ArgumentException>(
            () => WeightsDownload.GetTrustingFirstUseAsync(new Uri("ftp://example.org/x"), _cache.Path));
    }

    [TestMethod]
    public async Task WrongArgumentsAreNamed()
    {
        Assert.Contains("ftp://", (await Assert.ThrowsExactlyAsync<ArgumentException>(
            () => WeightsDownload.GetAsync(new Uri("ftp://localhost/a"), _checksum, _cache.Path))).Message);
        Assert.Contains("64 hexadecimal", (await Assert.ThrowsExactlyAsync<ArgumentException>(
            () => WeightsDownload.GetAsync(_server.Address, _checksum[1..], _cache.Path))).Message);
        Assert.Contains("64 hexadecimal", (await Assert.ThrowsExactlyAsync<ArgumentException>(
            () => WeightsDownload.GetAsync(_server.Address, "../" + _checksum[3..], _cache.Path))).Message);
        Assert.IsEmpty(_server.Requests);
    }

    [TestMethod]
    [DataRow("/", "weights-")]
    [DataRow("/a/..%2F..%2Fetc%2Fpasswd", "etc_passwd-")]
    [DataRow("/m%C3%BCll%00.bin", "m_ll_-")]
    public async Task TheAddressCannotChooseAnotherFolder(string path, string expected)
    {
        string file = await WeightsDownload.GetAsync(new Uri(_server.Address, path), _checksum, _cache.Path);
        Assert.AreEqual(_cache.Path, Path.GetDirectoryName(file));
        StringAssert.StartsWith(Path.GetFileName(file), expected);
    }

    private Task<string> Get(IProgress<WeightsDownloadProgress>? progress = null, CancellationToken cancellationToken = default) =>
        WeightsDownload.GetAsync(_server.Address, _checksum, _cache.Path, progress, cancellationToken: cancellationToken);

    private Task Cut(int after) => Cut<IOException>(after);

    private async Task Cut<TException>(int after)
        where TException : Exception
    {
        _server.CutAfter = after;
        await Assert.ThrowsExactlyAsync<TException>(() => Get());
        _server.CutAfter = null;
    }

    private sealed class Collected : IProgress<WeightsDownloadProgress>
    {
        public List<WeightsDownloadProgress> Reports { get; } = [];

        public Action<WeightsDownloadProgress>? OnReport { get; init; }

        public void Report(WeightsDownloadProgress value)
        {
            Reports.Add(value);
            OnReport?.Invoke(value);
        }
    }
}
