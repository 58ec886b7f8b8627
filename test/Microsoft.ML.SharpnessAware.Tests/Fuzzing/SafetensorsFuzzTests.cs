using System.Text;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms.Image;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Fuzzing;

[TestClass]
public sealed class SafetensorsFuzzTests
{
    private static readonly MLContext MLContext = new(1);
    private static readonly ImageShape Input = new(1, 16, 16);
    private static readonly string[] KnownNames =
    [
        "conv1.weight", "conv3.weight", "patch_embed.proj.weight", "cls_token", "pos_embed", "fc.weight", "fc.bias", "head.weight",
        "layer1.0.conv1.weight", "layer1.0.conv3.weight", "block1.layer.1.conv1.weight", "bn1.num_batches_tracked", "bn1.running_mean",
    ];

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

    /// <summary>Well-formed files whose tensors have names that networks are told by, and shapes that nobody expects; without Arch and
    /// with one.</summary>
    [TestMethod]
    public void TensorsOfKnownNamesAndOtherShapesAreTakenOrRefused()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("weights.safetensors");
        var shape = new ImageShape(3, 32, 32);
        string[] architectures = [NetworkArchitecture.ConvNet, NetworkArchitecture.ResNet8, NetworkArchitecture.VitTiny];
        var networks = architectures.ToDictionary(name => name, name => NetworkArchitecture.Create(name, 3, shape));
        string[] names = [.. KnownNames, .. networks.Values.SelectMany(network => network.state_dict().Keys)];
        var fuzzing = new ReaderFuzzer(TestContext, "initial weights, safetensors of known names")
        {
            Documented = e => e.GetType() == typeof(InvalidDataException) && e.Message.Contains(path, StringComparison.Ordinal),
        };
        nn.Module whole = networks[NetworkArchitecture.ConvNet];
        fuzzing.Run([Bytes(whole.state_dict())], random => KnownButOdd(random, names, whole), file =>
        {
            File.WriteAllBytes(path, file);
            foreach (string? architecture in architectures.Append(null))
            {
                try
                {
                    using InitialWeights weights = InitialWeights.Read((IHostEnvironment)MLContext, path, architecture)!;
                    _ = weights.SizeFor(new ImageDataViewType(40, 48), null, null);
                    if (networks.TryGetValue(weights.Architecture!, out nn.Module<Tensor, Tensor>? network))
                        weights.CopyTo(network, numberOfClasses: 3, shape, channel: null);
                }
                catch (InvalidDataException) when (architecture is not null)
                {
                    // the next one
                }
            }
        });
        foreach (nn.Module network in networks.Values)
            network.Dispose();
    }

    private static byte[] KnownButOdd(Random random, string[] names, nn.Module network)
    {
        long[][] shapes = [[], [0], [1], [16], [192, 3], [16, 3, 3, 3], [32, 3, 3, 3], [64, 0, 7, 7], [192, 3, 16, 16], [1, 5, 192]];
        using DisposeScope scope = NewDisposeScope();
        bool isWhole = random.Next(4) == 0;
        Dictionary<string, Tensor> tensors = isWhole ? network.state_dict() : new Dictionary<string, Tensor>();
        for (int i = isWhole ? random.Next(2) : random.Next(1, 8); i > 0; i--)
        {
            string name = random.Next(3) > 0 ? KnownNames[random.Next(KnownNames.Length)] : names[random.Next(names.Length)];
            tensors[name] = zeros(shapes[random.Next(shapes.Length)], random.Next(4) > 0 ? float32 : int64);
        }
        return Bytes(tensors);
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
