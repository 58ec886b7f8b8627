using System.Globalization;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

[TestClass]
public sealed class WorkspacePathTests
{
    private readonly TemporaryFolder _folder = new();

    public TestContext TestContext { get; set; } = null!;

    [TestCleanup]
    public void Free() => _folder.Dispose();

    [TestMethod]
    [DataRow("split")]
    [DataRow("validation set")]
    [DataRow("augmentation")]
    [DataRow("frozen backbone")]
    [DataRow("floats")]
    public void WeightsAreTheSameBitForBitWithAndWithoutTheCache(string kind)
    {
        CountingNetwork.Register();
        var mlContext = new MLContext(seed: 5);
        IDataView data = kind == "floats" ? Fitted.View(mlContext, Shapes.Floats(40)) : Fitted.View(mlContext, Shapes.Encoded(40));
        byte[] expected = Train("memory", null), written = Train("written", _folder.File("cache"));
        byte[] again = Train("again", _folder.File("cache"));
        CollectionAssert.AreEqual(expected, written);
        CollectionAssert.AreEqual(expected, again);
        Assert.HasCount(kind == "validation set" ? 2 : 1, Directory.GetFiles(_folder.File("cache")));

        byte[] Train(string name, string? workspace)
        {
            using var model = Fitted.Model(mlContext, data, options =>
            {
                options.WorkspacePath = workspace;
                options.Arch = CountingNetwork.Name;
                options.ImageWidth = options.ImageHeight = Shapes.Size;
                options.ImageChannels = 1;
                options.Epoch = 2;
                options.Augmentation = kind == "augmentation" ? Augmentation.Standard : Augmentation.None;
                options.FreezeBackbone = kind == "frozen backbone";
                options.ValidationSet = kind == "validation set" ? Fitted.View(mlContext, Shapes.Encoded(12, seed: 3)) : null;
            });
            model.SaveWeights(_folder.File(name));
            return File.ReadAllBytes(_folder.File(name));
        }
    }

    [TestMethod]
    public void TheLogTellsWhetherTheCacheWasWrittenOrUsed()
    {
        List<string> log = [];
        var mlContext = new MLContext(seed: 5);
        mlContext.Log += (_, entry) => log.Add($"{entry.Kind}: {entry.RawMessage}");
        IDataView data = Fitted.View(mlContext, Shapes.Pixels(30));
        foreach (string expected in new[] { "30 images are in the cache", "30 images come from the cache" })
        {
            log.Clear();
            Fitted.Model(mlContext, data, options => (options.WorkspacePath, options.Epoch) = (_folder.Path, 1)).Dispose();
            string start = $"{ChannelMessageKind.Info}: The pixels of {expected}";
            Assert.AreEqual(1, log.Count(message => message.StartsWith(start, StringComparison.Ordinal)));
        }

        ImageCache.Delete(_folder.Path);
        Assert.HasCount(0, _folder.FileNames());
    }

    [TestMethod]
    public void ATrainingContinuesFromItsCheckpointWithAndWithoutTheCache()
    {
        var mlContext = new MLContext(seed: 5);
        IDataView data = Fitted.View(mlContext, Shapes.Pixels(30));
        foreach (string? workspace in new[] { null, _folder.File("cache"), _folder.File("cache"), null })
        {
            int epochs = 0;
            Fitted.Model(mlContext, data, options =>
            {
                options.WorkspacePath = workspace;
                options.Epoch = 1;
                options.CheckpointPath = _folder.File("checkpoint");
                options.MetricsCallback = _ => epochs++;
            }).Dispose();
            Assert.AreEqual(Directory.Exists(_folder.File("cache")) || epochs == 0 ? 0 : 1, epochs);
        }
    }

    [TestMethod]
    public void AFolderThatCannotBeMadeIsAnErrorThatNamesIt()
    {
        File.WriteAllText(_folder.File("file"), "");
        var mlContext = new MLContext(seed: 5);
        IDataView data = Fitted.View(mlContext, Shapes.Pixels(30));
        string below = Path.Combine(_folder.File("file"), "cache");
        string message = Assert.ThrowsExactly<IOException>(
            () => Fitted.Model(mlContext, data, options => options.WorkspacePath = below)).Message;
        StringAssert.StartsWith(message, $"The images cannot be cached in the folder '{below}' (WorkspacePath): ");
    }

    [TestMethod]
    [DataRow("")]
    [DataRow(" ")]
    public void ABlankPathIsAnArgumentError(string path)
    {
        var options = new SharpnessAwareImageClassificationTrainer.Options { WorkspacePath = path };
        Assert.AreEqual("WorkspacePath", Assert.ThrowsExactly<ArgumentException>(
            () => new MLContext().MulticlassClassification.Trainers.SharpnessAwareImageClassification(options)).ParamName);
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux, IgnoreMessage = "Anonymous memory is read from /proc/self/status.")]
    public void MemoryStaysWithinALimitThatTheDecodedPixelsExceed()
    {
        // With that threshold glibc gives freed tensors back at once, so that what is measured is what was in use.
        (int exitCode, string output, string error) = FreshProcess.Run(FreshProcess.Folder, ["memory", _folder.Path],
            ("DOTNET_GCHeapHardLimit", "0x4000000"), ("MALLOC_MMAP_THRESHOLD_", "1000000"),
            ("OMP_NUM_THREADS", "1"), ("MKL_NUM_THREADS", "1"));
        Assert.AreEqual(0, exitCode, error);
        long[] bytes = [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => long.Parse(line, CultureInfo.InvariantCulture))];
        (long pixels, long written, long again, long memory, long head, long frozen) =
            (bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5]);
        TestContext.WriteLine($"{pixels} bytes of pixels; growth with the cache written {written}, used again {again}, without {memory}, " +
            $"of the head alone {head}, on a frozen backbone {frozen}.");
        Assert.IsLessThan(pixels / 2, written);
        Assert.IsLessThan(pixels / 2, again);
        Assert.IsLessThan(pixels / 2, head);
        Assert.IsLessThan(pixels / 2, frozen);
        Assert.IsGreaterThan(pixels, memory); // or else this test could not fail
    }
}
