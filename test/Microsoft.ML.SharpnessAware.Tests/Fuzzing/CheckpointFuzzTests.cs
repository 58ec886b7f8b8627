using System.Buffers.Binary;
using System.Security.Cryptography;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Fuzzing;

[TestClass]
[DoNotParallelize] // torch's random state is everybody's
public sealed class CheckpointFuzzTests
{
    private const string Network = "network of the checkpoint fuzzing tests";
    private const int HeaderLength = sizeof(ulong) + sizeof(int) + SHA256.HashSizeInBytes;

    private static readonly MLContext MLContext = new(1);

    private readonly TemporaryFolder _folder = new();
    private readonly IDataView _data;
    private readonly byte[] _valid;

    public CheckpointFuzzTests()
    {
        NetworkArchitecture.Register(Network, classes => nn.Sequential(
            ("flatten", nn.Flatten()), ("dropout", nn.Dropout(0.1)), ("fc", nn.Linear(Shapes.Size * Shapes.Size, classes))));
        _data = Fitted.View(MLContext, Shapes.Pixels(15));
        _valid = Checkpoint();
    }

    public TestContext TestContext { get; set; } = null!;

    private string CheckpointPath => _folder.File("run.ckpt");

    [TestCleanup]
    public void DeleteFolder() => _folder.Dispose();

    /// <summary>The whole of it: a training that continues from the file, which here is at its end.</summary>
    [TestMethod]
    public void TrainingsContinueOrRefuse()
    {
        var fuzzing = new ReaderFuzzer(TestContext, "checkpoint, continued") { Documented = IsRefusal, ShortRun = 500,
            ConstantBytes = 32 << 20 };
        fuzzing.Run([_valid], Create, file =>
        {
            File.WriteAllBytes(CheckpointPath, file);
            File.Delete(CheckpointPath + ".previous");
            Trainer().Fit(_data).Dispose();
        });
    }

    [TestMethod]
    public void TheBestModelIsThereOrRefused()
    {
        var fuzzing = new ReaderFuzzer(TestContext, "checkpoint, best model") { Documented = IsRefusal };
        fuzzing.Run([_valid], Create, file =>
        {
            File.WriteAllBytes(CheckpointPath, file);
            Trainer().BestFromCheckpoint().Dispose();
        });
    }

    /// <summary>They are put into the network at the end only, when it is too late to refuse them.</summary>
    [TestMethod]
    public void WeightsOfTheBestEpochMustBeOfTheNetwork()
    {
        byte[] content = _valid[HeaderLength..];
        content["fc.".Length + content.AsSpan().LastIndexOf("fc.weight"u8)] = (byte)'W';
        File.WriteAllBytes(CheckpointPath, WithChecksum(content));
        File.Delete(CheckpointPath + ".previous");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Trainer().Fit(_data)).Message, "fc.Weight");
    }

    [TestMethod]
    [DataRow(-1)]
    [DataRow(int.MinValue)]
    [DataRow(3)]
    [DataRow(int.MaxValue)]
    public void AnEpochThatTheTrainingDoesNotHaveIsRefused(int epoch)
    {
        var shape = new ImageShape(1, Shapes.Size, Shapes.Size);
        using var classifier = new ImageClassifier(NetworkArchitecture.ConvNet,
            NetworkArchitecture.Create(NetworkArchitecture.ConvNet, 3, shape), CPU, shape, ScalarType.Byte,
            new Normalization(new PixelStatistics([0], [1], ScalarType.Byte), CPU), 3);
        var options = Fitted.QuickOptions();
        options.Epoch = 2;
        using var part = new TrainedPart(options, classifier, seed: 1, totalSteps: 4);
        byte[] content = new byte[1024];
        BinaryPrimitives.WriteInt32LittleEndian(content, epoch);
        using var reader = new BinaryReader(new MemoryStream(content));
        var refusal = Assert.ThrowsExactly<InvalidDataException>(() => part.Read(reader, CheckpointFile.Version));
        StringAssert.Contains(refusal.Message, $"epoch {epoch}");
    }

    /// <summary>Torch would end the process, or read behind its numbers.</summary>
    [TestMethod]
    public void OnlyStatesThatTorchGaveAreSet()
    {
        using var random = new TorchRandom(seed: 3);
        for (int draws = 0; draws < 1300; draws++)
        {
            byte[] state = random.State;
            random.State = state;
            CollectionAssert.AreEqual(state, random.State);
            random.Draw(() => rand(1)).Dispose();
        }

        byte[] valid = random.State;
        Refused(valid[..^1]);
        Refused([.. valid, 0]);
        Refused([]);
        foreach ((int at, int value) in new[] { (8, 0), (8, -1), (8, 625), (8, 624), (12, 0), (16, 624), (16, 625), (16, -1), (20, 1) })
        {
            byte[] damaged = [.. valid];
            BinaryPrimitives.WriteInt32LittleEndian(damaged.AsSpan(at), value);
            Refused(damaged);
        }

        void Refused(byte[] state) => Assert.ThrowsExactly<InvalidDataException>(() => random.State = state);
    }

    // Numbers that are not finite are found at the first step, as in any training; a checkpoint without a model is said to be one.
    private static bool IsRefusal(Exception e) => e is InvalidDataException or TrainingDivergedException
        || (e is InvalidOperationException && (e.Message.Contains("has no model yet", StringComparison.Ordinal)
            || e.Message.Contains("not finite", StringComparison.Ordinal)));

    /// <summary>Most of them with the checksum made right, since behind it nothing else is reached.</summary>
    private byte[] Create(Random random)
    {
        if (random.Next(8) == 0)
            return Mutator.Mutate(random, _valid, _valid);
        return WithChecksum(Mutator.Mutate(random, _valid[HeaderLength..], _valid));
    }

    private byte[] WithChecksum(byte[] content) =>
        [.. _valid[..(HeaderLength - SHA256.HashSizeInBytes)], .. SHA256.HashData(content), .. content];

    private byte[] Checkpoint()
    {
        Trainer().Fit(_data).Dispose();
        return File.ReadAllBytes(CheckpointPath);
    }

    private SharpnessAwareImageClassificationTrainer Trainer()
    {
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        (options.Arch, options.Epoch, options.CheckpointPath, options.BatchSize) = (Network, 2, CheckpointPath, 5);
        options.ValidationSetFraction = 0.2f;
        options.EarlyStoppingCriteria = new EarlyStopping(Patience: 5);
        return MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options);
    }
}
