using System.Buffers.Binary;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Fuzzing;

[TestClass]
public sealed class ModelFileFuzzTests
{
    private const string Network = "network of the fuzzing tests";

    private static readonly MLContext MLContext = new(1);
    private static IDataView _data = null!;
    private static byte[] _file = null!;
    private static List<(string Name, byte[] Content)> _entries = null!;
    private static byte[] _description = null!;
    private static byte[] _weights = null!;

    public TestContext TestContext { get; set; } = null!;

    /// <summary>A pipeline of the classifier and a calibrator.</summary>
    [ClassInitialize]
    public static void Train(TestContext _)
    {
        NetworkArchitecture.Register(Network, classes =>
            nn.Sequential(("flatten", nn.Flatten()), ("fc", nn.Linear(Shapes.Size * Shapes.Size, classes))));
        _data = Fitted.View(MLContext, Shapes.Pixels(30));
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        (options.Arch, options.Epoch) = (Network, 1);
        using TransformerChain<MulticlassCalibratorTransformer> model =
            MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options)
            .Append(MLContext.MulticlassClassification.Calibrators.Vector()).Fit(_data);
        using var stream = new MemoryStream();
        MLContext.Model.Save(model, _data.Schema, stream);
        _file = stream.ToArray();
        _entries = Archive.Read(_file);
        _weights = _entries.Single(entry => entry.Name.EndsWith("weights.safetensors", StringComparison.Ordinal)).Content;
        _description = _entries.Select(entry => Block(entry.Content))
            .First(block => block.AsSpan().IndexOf(Encoding.UTF8.GetBytes(Network)) >= 0);
    }

    /// <summary>As users load them. ML.NET's own entries are its own business; ours are damaged in every way.</summary>
    [TestMethod]
    public void ModelsLoadOrAreRefused()
    {
        using var folder = new TemporaryFolder();
        var mlContext = new MLContext(1) { TempFilePath = folder.Path };
        var fuzzing = new ReaderFuzzer(TestContext, "model file") { Documented = IsRefusal };
        fuzzing.Run([_file], CreateArchive, file =>
        {
            ITransformer model = mlContext.Model.Load(new MemoryStream(file), out _);
            try
            {
                Fitted.Scores(mlContext, model.Transform(mlContext.Data.TakeRows(_data, 2)));
            }
            finally
            {
                (model as IDisposable)?.Dispose();
            }
        });
        Assert.IsEmpty(folder.FileNames());
    }

    /// <summary>Read for its weights only, which does not involve ML.NET's loader.</summary>
    [TestMethod]
    public void ModelsAreTakenAsInitialWeightsOrRefused()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("model.zip");
        var fuzzing = new ReaderFuzzer(TestContext, "initial weights, model file")
        {
            Documented = e => e.GetType() == typeof(InvalidDataException) && e.Message.Contains(path, StringComparison.Ordinal),
        };
        fuzzing.Run([_file], CreateArchive, file =>
        {
            File.WriteAllBytes(path, file);
            InitialWeights.Read((IHostEnvironment)MLContext, path, Network)!.Dispose();
        });
    }

    /// <summary>What the checksums protect, as if whoever damaged it had made the checksums right again.</summary>
    [TestMethod]
    public void DescriptionAndWeightsLoadOrAreRefused()
    {
        byte[] valid = InOnePiece(_description, _weights);
        var fuzzing = new ReaderFuzzer(TestContext, "classifier, beneath the checksums") { Documented = e =>
            e.GetType() == typeof(InvalidDataException) };
        fuzzing.Run([valid], CreatePiece, bytes =>
        {
            var environment = (IHostEnvironment)MLContext;
            using var model = new SharpnessAwareImageClassificationTransformer(environment, ClassifierFile.FromBytes(environment, bytes));
            try
            {
                if (model.Classifier.Shape == new ImageShape(1, Shapes.Size, Shapes.Size))
                    Fitted.Scores(MLContext, model.Transform(MLContext.Data.TakeRows(_data, 2)));
            }
            catch (ArgumentOutOfRangeException e) when (e.Message.Contains("column", StringComparison.OrdinalIgnoreCase))
            {
                // It loaded, and wants a column of another name or type.
            }
        });
    }

    [TestMethod]
    public void AnUnknownNetworkOrOneThatTheWeightsAreTooFewForIsRefusedBeforeItIsMade()
    {
        foreach ((string network, int classes, int channels, string message) in new[]
        {
            ("no such network", 3, 1, "There is no network"), (NetworkArchitecture.ConvNet, int.MaxValue, 1, "parameters"),
            (NetworkArchitecture.WideResNet28x10, 3, 1, "parameters"), (NetworkArchitecture.VitSmall, 3, 1, "parameters"),
                (Network, 100_000_000, 1, "parameters"),
        })
        {
            byte[] description = WithSizes(_description, network, classes, channels, Shapes.Size, Shapes.Size);
            description = WithoutLabelValues(description);
            long before = GC.GetAllocatedBytesForCurrentThread();
            string actual = Assert.ThrowsExactly<InvalidDataException>(
                () => ClassifierFile.FromBytes((IHostEnvironment)MLContext, InOnePiece(description, _weights)), network).Message;
            StringAssert.Contains(actual, message);
            Assert.IsLessThan(1 << 20, GC.GetAllocatedBytesForCurrentThread() - before);
        }
    }

    /// <summary>Names are looked up in the archive and never become paths: what is unpacked gets a random name in a folder of its
    /// own.</summary>
    [TestMethod]
    public void EntriesThatPointElsewhereWriteNothingThere()
    {
        using var folder = new TemporaryFolder();
        string inner = Path.Combine(folder.Path, "inner", "temporary");
        Directory.CreateDirectory(inner);
        string[] before = [.. Directory.EnumerateFileSystemEntries(folder.Path, "*", SearchOption.AllDirectories)];
        string[] names = ["../evil.txt", "..\\evil.txt", "../../evil.txt", Path.Combine(folder.Path, "evil.txt"),
            "TransformerChain/../../evil.txt", "./evil.txt"];
        foreach (string name in names)
        {
            byte[] added = Archive.Write([.. _entries, (name, "evil"u8.ToArray())]);
            byte[] renamed = Archive.Write(_entries.Select(entry => entry.Content == _weights ? (name, entry.Content) : entry));
            var mlContext = new MLContext(1) { TempFilePath = inner };
            ((IDisposable)mlContext.Model.Load(new MemoryStream(added), out _)).Dispose();
            FormatException refusal = Assert.IsInstanceOfType<FormatException>(
                Assert.Throws<Exception>(() => mlContext.Model.Load(new MemoryStream(renamed), out _)).GetBaseException());
            StringAssert.Contains(refusal.Message, "has no weights.safetensors");
            string path = folder.File("model.zip");
            File.WriteAllBytes(path, added);
            InitialWeights.Read((IHostEnvironment)mlContext, path, Network)!.Dispose();
            File.Delete(path);
        }

        CollectionAssert.AreEqual(before, Directory.EnumerateFileSystemEntries(folder.Path, "*", SearchOption.AllDirectories).ToArray());
        Assert.IsEmpty(Directory.GetFiles(Environment.CurrentDirectory, "evil*"));
    }

    [TestMethod]
    public void ArchivesThatUnpackToMoreThanTheyCanHoldAreRefused()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("model.zip");
        byte[] bomb = Archive.Write(_entries.Select(entry => entry.Content == _weights ? (entry.Name, new byte[100 << 20]) : entry),
            System.IO.Compression.CompressionLevel.Optimal);
        byte[] claim = [.. _file], otherClaim = [.. _file];
        for (int at = 0; (at = Next(claim, at)) >= 0; at++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(claim.AsSpan(at + 24), 0x7FFFFFF0); // unpacked
            BinaryPrimitives.WriteUInt32LittleEndian(otherClaim.AsSpan(at + 20), 0x7FFFFFF0); // packed, too, so that the ratio is plausible
            BinaryPrimitives.WriteUInt32LittleEndian(otherClaim.AsSpan(at + 24), 0x7FFFFFF0);
        }

        foreach (byte[] file in new[] { bomb, claim, otherClaim })
        {
            File.WriteAllBytes(path, file);
            long before = GC.GetAllocatedBytesForCurrentThread();
            string message = Assert.ThrowsExactly<InvalidDataException>(() =>
                InitialWeights.Read((IHostEnvironment)MLContext, path, Network)).Message;
            StringAssert.Contains(message, "not plausible");
            Assert.IsLessThan(4 << 20, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        // Entries of the archive's directory.
        static int Next(byte[] file, int from) => file.AsSpan(
            from).IndexOf((ReadOnlySpan<byte>)[0x50, 0x4B, 1, 2]) is >= 0 and int at ? from + at : -1;
    }

    /// <summary>What ML.NET's loader throws of its own, and what ours do inside.</summary>
    private static bool IsRefusal(Exception e) => e switch
    {
        TargetInvocationException => IsRefusal(e.InnerException!),
        FormatException or InvalidDataException or InvalidOperationException or ArgumentException => true,
        EndOfStreamException or FileNotFoundException or FileLoadException or BadImageFormatException or IOException => true,
        _ => false,
    };

    private static byte[] CreateArchive(Random random)
    {
        if (random.Next(6) == 0)
            return Mutator.Mutate(random, _file, _file);
        List<(string Name, byte[] Content)> entries = [.. _entries];
        int[] ours = [.. Enumerable.Range(0, entries.Count)
            .Where(i => entries[i].Content == _weights || Archive.FindBlock(entries[i].Content) is not null)];
        int chosen = ours[random.Next(ours.Length)];
        (string name, byte[] content) = entries[chosen];
        switch (random.Next(8))
        {
            case 0:
                entries.RemoveAt(chosen);
                break;
            case 1: // twice, and once damaged
                entries.Insert(random.Next(entries.Count + 1), (name, Mutator.Mutate(random, content, _weights)));
                break;
            case 2:
                string[] names = ["../" + name, name.Replace('/', '\\'), name + "/", "/" + name, name.ToUpperInvariant(),
                    name.Replace("Transform", ".."), "a\0b", "C:\\" + name];
                entries[chosen] = (names[random.Next(names.Length)], content);
                break;
            case 3: // the other's
                entries[chosen] = (name, entries[ours[random.Next(ours.Length)]].Content);
                break;
            case 4 or 5 when Archive.FindBlock(content) is var (start, block, length):
                byte[] changed = [.. content];
                Mutator.Mutate(random, content[block..(block + length)], content, keepsLength: true).CopyTo(changed, block);
                SHA256.HashData(changed.AsSpan(block, length)).CopyTo(changed, start);
                entries[chosen] = (name, changed);
                break;
            default:
                entries[chosen] = (name, Mutator.Mutate(random, content, _weights));
                break;
        }

        return Archive.Write(entries);
    }

    private static byte[] CreatePiece(Random random)
    {
        switch (random.Next(4))
        {
            case 0:
                string[] networks = [Network, .. NetworkArchitecture.Names];
                int[] sizes = [0, -1, 1, 2, 3, 4, 12, 16, 32, 224, 1000, 1001, 8192, 8193, 65_536, 1 << 20, int.MaxValue, int.MinValue];
                byte[] description = WithSizes(
                    _description, networks[random.Next(networks.Length)], Size(3), Size(1), Size(Shapes.Size), Size(Shapes.Size));
                return InOnePiece(random.Next(2) == 0 ? WithoutLabelValues(description) : description, _weights);
                int Size(int usual) => random.Next(2) == 0 ? usual : sizes[random.Next(sizes.Length)];
            case 1:
                byte[] weights = Mutator.Mutate(random, _weights, _weights);
                byte[] fitting = [.. _description];
                int checksum = fitting.AsSpan().IndexOf(SHA256.HashData(_weights));
                SHA256.HashData(weights).CopyTo(fitting, checksum);
                return InOnePiece(fitting, weights);
            case 2:
                return Mutator.Mutate(random, InOnePiece(_description, _weights), _weights);
            default:
                return InOnePiece(Mutator.Mutate(random, _description, _description), _weights);
        }
    }

    private static byte[] WithSizes(byte[] description, string network, params int[] sizes)
    {
        byte[] name = Encoding.UTF8.GetBytes(Network);
        int at = description.AsSpan().IndexOf(name) - 1;
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream, Encoding.UTF8);
        writer.Write(description.AsSpan(0, at));
        writer.Write(network);
        foreach (int size in sizes)
            writer.Write(size);
        writer.Write(description.AsSpan(at + 1 + name.Length + (4 * sizeof(int))));
        return stream.ToArray();
    }

    /// <summary>So that another number of classes does not contradict them.</summary>
    private static byte[] WithoutLabelValues(byte[] description)
    {
        int checksum = description.AsSpan().IndexOf(SHA256.HashData(_weights));
        return [.. description[..(checksum + SHA256.HashSizeInBytes)], 0];
    }

    private static byte[] InOnePiece(byte[] description, byte[] weights) =>
        [.. BitConverter.GetBytes(description.Length), .. description, .. BitConverter.GetBytes(weights.Length), .. weights];

    private static byte[] Block(byte[] entry) => Archive.FindBlock(entry) is var (_, start, length) ? entry[start..(start + length)] : [];
}
