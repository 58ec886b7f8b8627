using SkiaSharp;
using static Microsoft.ML.SharpnessAware.Tests.TestRows;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>JPEG files that a decoder takes with a warning, or without one and with half of the image grey.</summary>
[TestClass]
public sealed class JpegScanTests
{
    private static readonly byte[] EndOfImage = [0xFF, 0xD9];

    public static IEnumerable<string> Sound => Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "Assets", "jpeg")).Order();

    [TestMethod]
    [DynamicData(nameof(Sound))]
    public void ASoundFileIsRead(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        JpegScan.Check(file);
        JpegScan.Check([.. file, .. "whatever a program adds"u8]);
        JpegScan.Check([.. file[..^2], 0, 0, 0, 0, 0, 0, 0, 0, .. EndOfImage]);
        JpegScan.Check([.. file[..^2], 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, .. EndOfImage]);
        JpegScan.Check([.. file[..^2], 1, 2, 3, .. EndOfImage]);
        ReadFile(file, 37, 41, 3);
    }

    [TestMethod]
    [DynamicData(nameof(Sound))]
    public void AFileThatWasCutAndGivenAnEndIsAnErrorWhereverItWasCut(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        int first = file.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xFF, 0xDA]), taken = 0;
        for (int length = first; length < file.Length - 6; length += 3)
        {
            try
            {
                ReadFile([.. file[..length], .. EndOfImage], 37, 41, 3);
                taken++;
            }
            catch (InvalidOperationException exception)
            {
                StringAssert.Contains(exception.Message, "row 0 (counting from 0): ");
            }
        }

        // Between the scans of a progressive file, where nothing tells that more were to come.
        Assert.IsLessThan(path.Contains("progressive") ? file.Length / 3 / 6 : 1, taken);
    }

    /// <summary>
    /// Twelve bytes overwritten at 32 places from the first scan to the end; W is where libjpeg-turbo's djpeg warns or gives up, s where
    /// all it says is that up to four bytes are left over, which sound files have too.
    /// </summary>
    [TestMethod]
    [DataRow("baseline-420", "WWWWW..W.WW..WWWW...WWW...WWW.WW")]
    [DataRow("cmyk", "W......WWWWWWs..WW..W..WWWW.WWWW")]
    [DataRow("odd-sampling", "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW")]
    [DataRow("one-scan-each-420", ".WWW.WW.WW.WWWWWWWWW......WW.WWW")]
    [DataRow("optimized-444", ".....W...W...W..W...W.........WW")]
    [DataRow("progressive-grey", ".WWWsWsWWWWWWWWWWsWWWW..WWW.....")]
    [DataRow("progressive-refined-420", ".WWWWWWWWWWWWWWWWWWWW.W.WWWWWWWW")]
    [DataRow("progressive-restart-420", "sWWWWWWWWWWWWWWWWWWWWWWWWWssWWWW")]
    [DataRow("restart-422", "WW.W.W.WWWWW.W.WWW.WWWWWWWWWWW.W")]
    [DataRow("restart-each-411", "..WWWW.WWsWW..WWWW.WWWWWWWWW.WWW")]
    [DataRow("rgb", "WWWW.WW.WW.WWWWWW.WWWWWWWWWW..WW")]
    public void WhatTheReferenceDecoderWarnsAboutIsAnError(string name, string warnings)
    {
        byte[] sound = File.ReadAllBytes(Sound.Single(path => Path.GetFileNameWithoutExtension(path) == name));
        int first = sound.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xFF, 0xDA]);
        for (int i = 0; i < warnings.Length; i++)
        {
            byte[] file = [.. sound];
            int at = first + 14 + ((file.Length - first - 14 - 20) * i / warnings.Length);
            for (int j = 0; j < 12; j++)
                file[at + j] = (byte)((37 * j) + (11 * i) + 5);
            if (warnings[i] == 'W')
                StringAssert.Contains(ErrorOf(Files(file), new(37, 41, 3)), "row 0 (counting from 0): ", $"place {i}");
        }
    }

    [TestMethod]
    public void TheErrorSaysHowFarTheDataGo()
    {
        byte[] file = TestImages.Encode(64, 64, (x, y) => new SKColor((byte)(4 * x), (byte)(4 * y), (byte)(x * y)),
            SKEncodedImageFormat.Jpeg);
        StringAssert.Contains(
            ErrorOf(Files([.. file[..(file.Length * 3 / 4)], .. EndOfImage])),
                "the image is damaged or truncated: its data end too early, after ");
    }

    [TestMethod]
    public void AShrunkImageIsCheckedAsAWholeOneIs()
    {
        byte[] file = TestImages.Encode(1024, 512, (x, y) => new SKColor((byte)(x ^ y), (byte)(x / 4), (byte)y), SKEncodedImageFormat.Jpeg);
        Assert.HasCount(3 * 64, ReadFile(file, 8, 8));
        ErrorOf(Files([.. file[..(file.Length / 2)], .. EndOfImage]), new(8, 8));
    }
}
