using System.Text;
using Microsoft.ML.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Fuzzing;

[TestClass]
public sealed class SafetensorsFuzzTests
{
    private static readonly MLContext MLContext = new(1);
    private static readonly ImageShape Input = new(1, 16, 16);
    private static byte[][] _valid = [];

    public TestContext TestContext { get; set; } = null!;

    [ClassInitialize]
    public static void Write(TestContext _)
    {
        using DisposeScope scope = NewDisposeScope();
        using var random = new TorchRandom(seed: 1); // the same files each time
        using var network = random.Draw(() => NetworkArchitecture.Create(NetworkArchitecture.ConvNet, 3, Input));
        var metadata = new Dictionary<string, string>
        {
            ["format"] = "pt", ["pixel_type"] = "uint8", ["pixel_mean"] = "127.5", ["pixel_std"] = "64",
        };
        _valid =
        [
            Bytes(new() { ["a"] = arange(6, dtype: float32).view(2, 3), ["b"] = ones(4, dtype: ScalarType.Bool), ["empty"] = zeros(0, 7) },
                metadata),
            Bytes(new() { ["i"] = arange(5, dtype: int64), ["h"] = ones(3, dtype: float16), ["u"] = ones([2, 2, 2], dtype: uint8),
                ["s"] = tensor(1.0) }),
            Bytes(ModuleWeights.Of(network), metadata),
        ];
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void SafetensorsLoadOrAreRefused(bool lengthIsKnown)
    {
        var fuzzing = new ReaderFuzzer(TestContext, $"safetensors, length {(lengthIsKnown ? "known" : "unknown")}")
        {
            Documented = e => e.GetType() == typeof(InvalidDataException),
        };
        fuzzing.Run(_valid, random => Header(random) ?? ReaderFuzzer.Mutant(random, _valid), file =>
        {
            using DisposeScope scope = NewDisposeScope();
            using Stream stream = lengthIsKnown ? new MemoryStream(file) : new Unseekable(file);
            SafetensorsFile.Read(stream);
        });
    }

    /// <summary>The file as a user gives it, with its metadata, into a network.</summary>
    [TestMethod]
    public void InitialWeightsAreTakenOrRefused()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("weights.safetensors");
        using var network = NetworkArchitecture.Create(NetworkArchitecture.ConvNet, 3, Input);
        using IChannel channel = ((IHostEnvironment)MLContext).Start("test");
        var fuzzing = new ReaderFuzzer(TestContext, "initial weights, safetensors")
        {
            Documented = e => e.GetType() == typeof(InvalidDataException) && e.Message.Contains(path, StringComparison.Ordinal),
        };
        byte[][] valid = [_valid[2]];
        fuzzing.Run(valid, random => Header(random, valid) ?? ReaderFuzzer.Mutant(random, valid), file =>
        {
            File.WriteAllBytes(path, file);
            using InitialWeights weights = InitialWeights.Read((IHostEnvironment)MLContext, path, NetworkArchitecture.ConvNet)!;
            weights.CopyTo(network, numberOfClasses: 3, Input, channel);
        });
    }

    /// <summary>Half of the inputs: the header's text changed and its length made right again; null for the others.</summary>
    private static byte[]? Header(Random random, byte[][]? valid = null)
    {
        if (random.Next(2) == 0)
            return null;
        valid ??= _valid;
        byte[] file = valid[random.Next(valid.Length)];
        int length = (int)BitConverter.ToInt64(file);
        byte[] header = file[8..(8 + length)];
        byte[] changed = random.Next(3) switch
        {
            0 => Replace(random, header, "\"F32\"", "\"F64\"", "\"U8\"", "\"BOOL\"", "\"F16\"", "\"X9\"", "7", "\"I64\""),
            1 => Replace(random, header, "[", "[[", "[-1,", "[0,", "[9223372036854775807,9223372036854775807,", "{", "[1,1,1,1,"),
            _ => Mutator.Mutate(random, header, header),
        };
        return [.. BitConverter.GetBytes((long)changed.Length), .. changed, .. file[(8 + length)..]];
    }

    private static byte[] Replace(Random random, byte[] header, string what, params string[] others)
    {
        string text = Encoding.UTF8.GetString(header);
        int at = text.IndexOf(what, random.Next(text.Length), StringComparison.Ordinal);
        return at < 0 ? header : Encoding.UTF8.GetBytes(text.Remove(at, what.Length).Insert(at, others[random.Next(others.Length)]));
    }

    private static byte[] Bytes(Dictionary<string, Tensor> tensors, Dictionary<string, string>? metadata = null)
    {
        using var stream = new MemoryStream();
        SafetensorsFile.Write(stream, tensors, metadata);
        return stream.ToArray();
    }

    private sealed class Unseekable(byte[] content) : MemoryStream(content)
    {
        public override bool CanSeek => false;
    }
}
