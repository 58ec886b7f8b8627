using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

/// <summary>LatePhase, AscentShare and Period in a whole training.</summary>
[TestClass]
public sealed class CheaperClimbsTests
{
    private const int Images = 32, Epochs = 4, StepsPerEpoch = 2;

    private readonly MLContext _mlContext = new(seed: 1);
    private readonly IDataView _data;

    public CheaperClimbsTests()
    {
        CountingNetwork.Register();
        _data = Fitted.View(_mlContext, Shapes.Pixels(Images));
    }

    public static IEnumerable<object[]> Methods { get; } = new[]
    {
        SharpnessAwareMethod.Sam(), SharpnessAwareMethod.Ssam(), SharpnessAwareMethod.Csam(), SharpnessAwareMethod.Asam(),
        SharpnessAwareMethod.Csam() with { Renormalize = true, Adaptive = true },
    }.Select(method => new object[] { method });

    [TestMethod]
    [DynamicData(nameof(Methods))]
    public void NoLatePhaseAndAnEndlessPeriodAreTheBaseOptimizerBitForBit(SharpnessAwareMethod method)
    {
        float[] standard = Weights(SharpnessAwareMethod.Standard);
        CollectionAssert.AreNotEqual(standard, Weights(method));
        CollectionAssert.AreEqual(standard, Weights(method with { LatePhase = 0 }));
        CollectionAssert.AreEqual(standard, Weights(method with { Period = int.MaxValue }));
    }

    [TestMethod]
    [DynamicData(nameof(Methods))]
    public void TheWholeOfEachIsTheMethodBitForBit(SharpnessAwareMethod method) =>
        CollectionAssert.AreEqual(Weights(method), Weights(method with { LatePhase = 1, AscentShare = 1, Period = 1 }));

    [TestMethod]
    [DataRow(1.0, 1, 8)]
    [DataRow(0.5, 1, 4)]
    [DataRow(0.25, 1, 2)]
    [DataRow(0.3, 1, 2, DisplayName = "Rounded to whole steps")]
    [DataRow(0.5, 2, 2)]
    [DataRow(0.0, 1, 0)]
    public void OnlyTheLastShareOfTheStepsClimbs(double latePhase, int period, int climbs)
    {
        CountingNetwork.Images = 0;
        Weights(SharpnessAwareMethod.Csam() with { LatePhase = latePhase, Period = period });
        int steps = Epochs * StepsPerEpoch, asked = Epochs * Images;
        Assert.AreEqual(((steps + climbs) * Images / StepsPerEpoch) + asked, CountingNetwork.Images);
    }

    [TestMethod]
    public void BeforeTheLatePhaseTheTrainingIsThatOfTheBaseOptimizer()
    {
        List<double> standard = Losses(SharpnessAwareMethod.Standard), late = Losses(SharpnessAwareMethod.Csam() with { LatePhase = 0.5 });
        CollectionAssert.AreEqual(standard[..2], late[..2]);
        Assert.AreNotEqual(standard[3], late[3]);

        List<double> Losses(SharpnessAwareMethod method)
        {
            using SharpnessAwareImageClassificationTransformer model = Model(options => options.Method = method);
            return [.. model.History.Select(epoch => epoch.TrainLoss)];
        }
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(3)]
    public void ATrainingThatWasCancelledClimbsOnAsItWouldHave(int cancelledAfter)
    {
        SharpnessAwareMethod method = SharpnessAwareMethod.Csam(0.1) with { LatePhase = 0.6, AscentShare = 0.5, Period = 2 };
        using var folder = new TemporaryFolder();
        using var cancellation = new CancellationTokenSource();
        Assert.ThrowsExactly<OperationCanceledException>(() => Weights(method, options =>
        {
            (options.CheckpointPath, options.CancellationToken) = (folder.File("run.ckpt"), cancellation.Token);
            options.MetricsCallback = epoch => Cancel(epoch.Epoch);
        }));

        CollectionAssert.AreEqual(Weights(method), Weights(method, options => options.CheckpointPath = folder.File("run.ckpt")));

        void Cancel(int epoch)
        {
            if (epoch == cancelledAfter)
                cancellation.Cancel();
        }
    }

    [TestMethod]
    public void TheShareIsDrawnByTheSeed()
    {
        SharpnessAwareMethod method = SharpnessAwareMethod.Sam(0.5) with { AscentShare = 0.25 };
        CollectionAssert.AreEqual(Weights(method), Weights(method));
        CollectionAssert.AreNotEqual(Weights(SharpnessAwareMethod.Sam(0.5)), Weights(method));
    }

    [TestMethod]
    public void FitSaysOnceWhatItDoesAndHowLongItWillTake()
    {
        List<string> log = [];
        _mlContext.Log += (_, e) => log.Add(e.RawMessage);
        Model(options => options.Method = SharpnessAwareMethod.Ssam(0.1) with { LatePhase = 0.25 }).Dispose();
        StringAssert.Matches(log.Single(line => line.Contains("it will take")), new(
            "^Training 'counting-network' on 1×12×12 values of 32 images in 3 classes by SSAM \\(ρ = 0.1, late phase 0.25\\), 0 more to " +
                "validate on, 4 epochs of 2 steps, from random weights: it will take about 0:00:0[0-9].$"));
        log.Clear();
        Model(options => (options.FreezeBackbone, options.ValidationSetFraction) = (true, 0.25)).Dispose();
        StringAssert.Matches(log.Single(line => line.Contains("it will take")), new(
            "^Training the head of 'counting-network' on 54 features of 24 images in 3 classes by CSAM .*, 8 more to validate on, 4 " +
                "epochs of 2 steps"));
        log.Clear();
        Model(options => (options.FreezeEpochs, options.InitialWeights) = (1, PretrainedWeights.None)).Dispose();
        Assert.HasCount(1, log.Where(line => line.EndsWith("after 1 epoch(s) of the head alone.")).ToArray());
        StringAssert.Matches(log.Single(line => line.Contains("it will take")), new("^The whole network is trained from now on: it will"));
        log.Clear();
        Model(options => (options.Epoch, options.BatchSize) = (1, 100)).Dispose();
        Assert.HasCount(1, log.Where(line => line.Contains("it will take about 0:00:00.")).ToArray());
    }

    private float[] Weights(SharpnessAwareMethod method, Action<Options>? change = null)
    {
        using SharpnessAwareImageClassificationTransformer model = Model(options =>
        {
            options.Method = method;
            change?.Invoke(options);
        });
        return [.. model.Classifier.Network.state_dict().Values.SelectMany(
            tensor => tensor.to(TorchSharp.torch.ScalarType.Float32).contiguous().data<float>().ToArray())];
    }

    private SharpnessAwareImageClassificationTransformer Model(Action<Options> change) => Fitted.Model(_mlContext, _data, options =>
    {
        (options.Arch, options.Epoch, options.BatchSize, options.ValidationSetFraction) =
            (CountingNetwork.Name, Epochs, Images / StepsPerEpoch, null);
        change(options);
    });
}
