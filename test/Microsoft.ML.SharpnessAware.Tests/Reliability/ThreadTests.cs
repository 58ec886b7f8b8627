using System.Collections.Concurrent;
using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Reliability;

[TestClass]
public sealed class ThreadTests
{
    private const string WithDropout = "thread test with dropout";
    private const int Threads = 16;

    private readonly MLContext _mlContext = new(seed: 1);
    private readonly IDataView _data;

    public ThreadTests()
    {
        NetworkArchitecture.Register(WithDropout, classes => nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(400, classes)));
        _data = Fitted.View(_mlContext, Shapes.Pixels(48));
    }

    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    public void SixteenThreadsAndAPoolOfEnginesGiveTheScoresOfOneThread()
    {
        using var model = Fitted.Model(_mlContext, _data, options => options.Arch = NetworkArchitecture.ConvNet);
        PixelRow[] rows = [.. Shapes.Pixels(40, seed: 5)];
        IDataView view = _mlContext.Data.LoadFromEnumerable(rows);
        float[][] expected = Fitted.Scores(_mlContext, model.Transform(view));
        var engines = new ConcurrentBag<PredictionEngine<PixelRow, ScoredRow>>();
        PredictionEngine<PixelRow, ScoredRow> NewEngine() => _mlContext.Model.CreatePredictionEngine<PixelRow, ScoredRow>(
            model, new PredictionEngineOptions { OwnsTransformer = false });
        float[][] expectedOfRows;
        using (PredictionEngine<PixelRow, ScoredRow> one = NewEngine())
            expectedOfRows = [.. rows.Select(row => one.Predict(row).Score)];

        long batches = 0, predictions = 0;
        long end = Stopwatch.GetTimestamp() + (LongRun.Choose(2, 60) * Stopwatch.Frequency);
        AtOnce.Run(Threads, thread =>
        {
            var random = new Random(thread);
            while (Stopwatch.GetTimestamp() < end)
            {
                if (random.Next(2) == 0)
                {
                    float[][] scores = Fitted.Scores(_mlContext, model.Transform(view));
                    for (int i = 0; i < scores.Length; i++)
                        CollectionAssert.AreEqual(expected[i], scores[i]);
                    Interlocked.Increment(ref batches);
                    continue;
                }

                PredictionEngine<PixelRow, ScoredRow> engine = engines.TryTake(out var free) ? free : NewEngine();
                for (int k = 0; k < 20; k++)
                {
                    int i = random.Next(rows.Length);
                    CollectionAssert.AreEqual(expectedOfRows[i], engine.Predict(rows[i]).Score);
                }
                engines.Add(engine);
                Interlocked.Add(ref predictions, 20);
            }
        });

        TestContext.WriteLine($"{Threads} threads: {batches} data views of {rows.Length} images and {predictions} predictions of " +
            $"{engines.Count} engines.");
        Assert.IsGreaterThan(0, Math.Min(batches, predictions));
    }

    [TestMethod]
    [DataRow(NetworkArchitecture.ConvNet, WithDropout)]
    [DataRow(WithDropout, WithDropout)]
    [DataRow(NetworkArchitecture.ResNet8, NetworkArchitecture.ConvNet)]
    public void TwoFitsAtOnceGiveTheWeightsOfEachAlone(string first, string second)
    {
        string[] networks = [first, second];
        float[][] alone = [.. networks.Select((network, i) => Weights(network, seed: i, atEpoch: null))];
        for (int i = 0; i < LongRun.Choose(2, 50); i++)
        {
            random.manual_seed(77).Dispose();
            using Tensor applicationsState = random.get_rng_state();
            // Both meet at the end of each epoch, so that neither is over before the other begins.
            using var meeting = new Barrier(2);
            var together = new float[2][];
            AtOnce.Run(2, fit => together[fit] = Weights(networks[fit], seed: fit, atEpoch: () =>
                Assert.IsTrue(meeting.SignalAndWait(TimeSpan.FromMinutes(2)), "the other has not come")));

            CollectionAssert.AreEqual(alone[0], together[0]);
            CollectionAssert.AreEqual(alone[1], together[1]);
            using Tensor stateAfter = random.get_rng_state();
            Assert.IsTrue(applicationsState.equal(stateAfter).all().item<bool>(), "the application's random numbers were changed");
        }
    }

    [TestMethod]
    public void ThreadSettingsAndGradientModesAreThoseOfBefore()
    {
        int before = get_num_threads(), between = get_num_interop_threads();
        AtOnce.Run(2, fit =>
        {
            using (no_grad())
            {
                Weights(NetworkArchitecture.ConvNet, seed: fit, atEpoch: null);
                Assert.IsFalse(is_grad_enabled());
            }
            Assert.IsTrue(is_grad_enabled());
            Assert.IsFalse(is_inference_mode_enabled());
            Assert.AreEqual(before, get_num_threads());
        });
        Assert.AreEqual(before, get_num_threads());
        Assert.AreEqual(between, get_num_interop_threads());
    }

    [TestMethod]
    public void AModelIsLoadedWithoutTouchingTheApplicationsRandomNumbers()
    {
        using var model = Fitted.Model(_mlContext, _data, options => options.Epoch = 1);
        using var file = new MemoryStream();
        _mlContext.Model.Save(model, _data.Schema, file);
        random.manual_seed(5).Dispose();
        using Tensor before = random.get_rng_state();
        ((IDisposable)_mlContext.Model.Load(file, out _)).Dispose();
        using Tensor after = random.get_rng_state();
        Assert.IsTrue(before.equal(after).all().item<bool>());
    }

    /// <summary>The reason that trainings of built-in networks need not take turns.</summary>
    [TestMethod]
    public void NoNetworkOrLossOfThisLibraryDrawsRandomNumbersInAPass()
    {
        ClassificationLoss[] losses = [new ClassificationLoss.CrossEntropy(LabelSmoothing: 0.1), new ClassificationLoss.Focal()];
        foreach (string name in NetworkArchitecture.Names.Where(NetworkArchitecture.IsBuiltIn))
        {
            if (name == NetworkArchitecture.WideResNet28x10 && !LongRun.IsOn)
                continue;       // 36 million weights; its blocks are like the others'
            using DisposeScope scope = NewDisposeScope();
            nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(name, 3, new ImageShape(3, 32, 32));
            network.train();
            using (Tensor before = random.get_rng_state())
            {
                foreach (ClassificationLoss loss in losses)
                    loss.PerSample(network.call(rand(2, 3, 32, 32, generator: new Generator(1))), tensor(new long[] { 0, 2 })).mean()
                        .backward();
                using Tensor after = random.get_rng_state();
                Assert.IsTrue(before.equal(after).all().item<bool>(), name);
            }
            NativeModule.DisposeAll(network);
        }
    }

    private float[] Weights(string network, int seed, Action? atEpoch)
    {
        using SharpnessAwareImageClassificationTransformer model = Fitted.Model(_mlContext, _data, options =>
        {
            options.Arch = network;
            options.Seed = seed;
            options.Augmentation = Augmentation.Standard;
            options.MetricsCallback = _ => atEpoch?.Invoke();
        });
        return [.. model.Classifier.Network.state_dict()
            .Values.SelectMany(tensor => tensor.to(ScalarType.Float32).contiguous().data<float>().ToArray())];
    }
}
