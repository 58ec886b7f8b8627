using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

/// <summary>Checkpoints of before version 4, whose momentum is in the order that weights of four dimensions had in memory then.</summary>
[TestClass]
public sealed class EarlierLayoutTests
{
    private const string Convolution = "earlier layout: convolution", Transposed = "earlier layout: transposed convolution";
    private const int EarlierVersion = 3, PlaceOfVersion = sizeof(ulong);

    private readonly TemporaryFolder _folder = new();
    private readonly MLContext _mlContext = new(seed: 1);
    private readonly IDataView _data;

    public EarlierLayoutTests()
    {
        NetworkArchitecture.Register(Convolution, classes => Network(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), classes));
        NetworkArchitecture.Register(Transposed, classes => Network(nn.Conv2d(1, 4, 3), nn.ConvTranspose2d(4, 4, 3), classes));
        _data = Fitted.View(_mlContext, Shapes.Pixels(30));
    }

    private string CheckpointPath => Path.Combine(_folder.Path, "run.ckpt");

    [TestCleanup]
    public void DeleteFolder() => _folder.Dispose();

    [TestMethod]
    public void ACheckpointWhoseWeightsLayOtherwiseInMemoryIsRefused()
    {
        Cancelled(Transposed, EarlierVersion);
        string previous = CheckpointPath + ".previous";
        File.Copy(CheckpointPath, previous, overwrite: true);
        string message = Assert.ThrowsExactly<InvalidDataException>(() => Weights(Options(Transposed))).Message;
        StringAssert.Contains(message, "1.weight [4, 4, 3, 3]");
        StringAssert.Contains(message, $"delete '{CheckpointPath}' and '{previous}', to train from the beginning");

        File.Delete(CheckpointPath);
        File.Delete(previous);
        Weights(Options(Transposed));
    }

    [TestMethod]
    [DataRow(Convolution, EarlierVersion)]
    [DataRow(Convolution, CheckpointFile.Version)]
    [DataRow(Transposed, CheckpointFile.Version)]
    public void OtherCheckpointsGoOnToTheSameWeights(string network, int version)
    {
        SharpnessAwareImageClassificationTrainer.Options undisturbed = Options(network);
        undisturbed.CheckpointPath = null;
        float[] expected = Weights(undisturbed);
        Cancelled(network, version);
        CollectionAssert.AreEqual(expected, Weights(Options(network)));
    }

    private static Sequential Network(nn.Module<Tensor, Tensor> first, nn.Module<Tensor, Tensor> second, int classes) =>
        nn.Sequential(first, second, nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, classes));

    private SharpnessAwareImageClassificationTrainer.Options Options(string network)
    {
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        (options.Arch, options.CheckpointPath) = (network, CheckpointPath);
        return options;
    }

    /// <summary>Leaves the checkpoint of a training that was cancelled after its first epoch.</summary>
    private void Cancelled(string network, int version)
    {
        using var cancellation = new CancellationTokenSource();
        SharpnessAwareImageClassificationTrainer.Options options = Options(network);
        options.CancellationToken = cancellation.Token;
        options.MetricsCallback = _ => cancellation.Cancel();
        Assert.ThrowsExactly<OperationCanceledException>(() => Weights(options));
        byte[] file = File.ReadAllBytes(CheckpointPath);
        BitConverter.GetBytes(version).CopyTo(file, PlaceOfVersion);
        File.WriteAllBytes(CheckpointPath, file);
    }

    private float[] Weights(SharpnessAwareImageClassificationTrainer.Options options)
    {
        using SharpnessAwareImageClassificationTransformer model =
            _mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options).Fit(_data);
        return [.. model.Classifier.Network.state_dict().Values.SelectMany(tensor => tensor.contiguous().data<float>().ToArray())];
    }
}
