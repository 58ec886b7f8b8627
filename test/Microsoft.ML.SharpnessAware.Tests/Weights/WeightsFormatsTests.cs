using System.IO.Compression;
using System.Text;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class WeightsFormatsTests
{
    [TestMethod]
    public void FormatsAreToldByContent()
    {
        using var zip = new MemoryStream();
        using (var archive = new ZipArchive(zip, ZipArchiveMode.Create, leaveOpen: true))
            archive.CreateEntry("a");
        Assert.AreEqual(WeightsFormat.Zip, Recognise(zip.ToArray(), "weights.onnx"));
        Assert.AreEqual(WeightsFormat.Safetensors, Recognise([8, 0, 0, 0, 0, 0, 0, 0, .. "{\"a\":{}}"u8], "weights.bin"));
        Assert.AreEqual(WeightsFormat.Onnx, Recognise(new OnnxFile().ToBytes(), "weights.safetensors"));
        Assert.AreEqual(WeightsFormat.Onnx, Recognise([1, 2, 3], "weights.ONNX"), "where nothing else tells, by name");
        Assert.AreEqual(WeightsFormat.Safetensors, Recognise([1, 2, 3], "weights.bin"));
    }

    [TestMethod]
    [DataRow("<!DOCTYPE html>\n<html lang=\"en\"><head><title>resnet18 · main</title>", "web page", "/resolve/")]
    [DataRow("\uFEFF\r\n <html>", "web page", "/resolve/")]
    [DataRow("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 46830571\n", "pointer of Git LFS", "git lfs pull")]
    [DataRow("{\"metadata\": {\"total_size\": 1}, \"weight_map\": {}}", "JSON", "split")]
    [DataRow("Entry not found", "text, which begins 'Entry not found'", "")]
    [DataRow("", "empty", "")]
    public void TextIsNamedForWhatItIs(string content, string name, string advice) =>
        Refused(Encoding.UTF8.GetBytes(content), name, advice);

    [TestMethod]
    public void FilesOfOtherLibrariesAreNamed()
    {
        Refused([0x80, 0x02, (byte)'}', (byte)'q'], "pickle", "safetensors");
        Refused([0x80, 0x05, 0x95, 0], "pickle", "run code");
        Refused([0x89, .. "HDF\r\n\u001a\n"u8], "HDF5", "safetensors");
        Refused([0x93, .. "NUMPY\u0001"u8], "NumPy", "safetensors");
        Refused([.. "GGUF"u8, 3, 0, 0, 0], "GGUF", "safetensors");
        Refused([0x1F, 0x8B, 8, 0], "gzip", "Unpack");
    }

    [TestMethod]
    public void AFileThatIsTakenIsLeftAtItsStart()
    {
        using var stream = new MemoryStream(new OnnxFile().ToBytes());
        WeightsFormats.Recognise(stream, "");
        Assert.AreEqual(0, stream.Position);
    }

    private static void Refused(byte[] content, string name, string advice)
    {
        string message = Assert.ThrowsExactly<InvalidDataException>(() => Recognise(content, "resnet18.safetensors")).Message;
        StringAssert.Contains(message, name);
        StringAssert.Contains(message, advice);
    }

    private static WeightsFormat Recognise(byte[] content, string path)
    {
        using var stream = new MemoryStream(content);
        return WeightsFormats.Recognise(stream, path);
    }
}
