using System.Runtime.CompilerServices;
using Microsoft.ML.Data;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Reliability;

[TestClass]
public sealed class DisposalTests
{
    private static readonly MLContext MLContext = new(1);
    private static IDataView _data = null!;

    [ClassInitialize]
    public static void MakeData(TestContext _) => _data = Fitted.View(MLContext, Shapes.Pixels(30));

    [TestMethod]
    public void EveryUseAfterDisposeNamesTheTransformer()
    {
        SharpnessAwareImageClassificationTransformer model = Fit();
        IDataView view = model.Transform(_data);
        IRowToRowMapper mapper = ((ITransformer)model).GetRowToRowMapper(_data.Schema);
        PredictionEngine<PixelRow, ScoredRow> engine = MLContext.Model.CreatePredictionEngine<PixelRow, ScoredRow>(
            model, new PredictionEngineOptions { OwnsTransformer = false });
        engine.Predict(Shapes.Pixels(1)[0]);
        using var cursor = view.GetRowCursor(view.Schema);
        model.Dispose();
        model.Dispose();

        Refuses(() => model.Transform(_data));
        Refuses(() => Fitted.Scores(MLContext, view));
        Refuses(() => cursor.MoveNext());
        Refuses(() => engine.Predict(Shapes.Pixels(2)[1]));
        Refuses(() => ((ITransformer)model).GetRowToRowMapper(_data.Schema));
        Refuses(() => model.WithTemperature(2));
        Refuses(() => MLContext.Model.Save(model, _data.Schema, new MemoryStream()));
        using var folder = new TemporaryFolder();
        Refuses(() => model.SaveWeights(folder.File("weights")));
        Assert.IsEmpty(folder.FileNames());
        Assert.IsNotNull(mapper);
        Assert.AreEqual(3, model.ClassNames.Count, "what needs no network can still be asked");
    }

    [TestMethod]
    public void APredictionEngineThatOwnsTheTransformerDisposesIt()
    {
        SharpnessAwareImageClassificationTransformer model = Fit();
        MLContext.Model.CreatePredictionEngine<PixelRow, ScoredRow>(model).Dispose();
        Refuses(() => model.Transform(_data));
    }

    /// <summary>Fails, or ends the process, where a pass runs on a network that another thread has freed.</summary>
    [TestMethod]
    public void DisposeWhileOthersScoreEndsThemWithAnExceptionAndNothingElse()
    {
        for (int i = 0; i < LongRun.Choose(10, 200); i++)
        {
            SharpnessAwareImageClassificationTransformer model = Fit();
            float[][] expected = Fitted.Scores(MLContext, model.Transform(_data));
            AtOnce.Run(
                4,
                _ =>
                {
                    try
                    {
                        while (true)
                            CollectionAssert.AreEqual(expected[7], Fitted.Scores(MLContext, model.Transform(_data))[7]);
                    }
                    catch (ObjectDisposedException)
                    {
                    }
                },
                meanwhile: () =>
                {
                    Thread.Sleep(i % 10);
                    model.Dispose();
                });
        }
    }

    [TestMethod]
    public void AModelOutlivesTheDisposeScopeItWasTrainedOrLoadedIn()
    {
        SharpnessAwareImageClassificationTransformer trained, loaded;
        using (torch.NewDisposeScope())
        {
            trained = Fit();
            using var file = new MemoryStream();
            MLContext.Model.Save(trained, _data.Schema, file);
            loaded = (SharpnessAwareImageClassificationTransformer)MLContext.Model.Load(file, out _);
        }

        CollectionAssert.AreEqual(Fitted.Scores(MLContext, trained.Transform(_data))[4],
            Fitted.Scores(MLContext, loaded.Transform(_data))[4]);
        trained.Dispose();
        loaded.Dispose();
    }

    /// <summary>A network of one's own has tensors that no layer of TorchSharp has made, and fine-tuning makes it twice.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void SoDoesOneWhoseNetworkHasTensorsOfItsOwn(bool isFineTuned)
    {
        const string Name = "disposal-tests-own-tensors";
        NetworkArchitecture.Register(Name, classes => new OwnTensorsNet(classes));
        using var folder = new TemporaryFolder();
        string weights = folder.File("own.safetensors");
        using (SharpnessAwareImageClassificationTransformer earlier = Fitted.Model(MLContext, _data, options => options.Arch = Name))
            earlier.SaveWeights(weights);

        SharpnessAwareImageClassificationTransformer model;
        using (torch.NewDisposeScope())
        {
            model = Fitted.Model(MLContext, _data, options =>
            {
                (options.Arch, options.Epoch) = (Name, 1);
                if (isFineTuned)
                    (options.InitialWeights, options.FineTuning) = (weights, FineTuning.Gentle);
            });
        }

        Assert.HasCount(30, Fitted.Scores(MLContext, model.Transform(_data)));
        using var file = new MemoryStream();
        MLContext.Model.Save(model, _data.Schema, file);
        model.Dispose();
        ITransformer loaded;
        using (torch.NewDisposeScope())
            loaded = MLContext.Model.Load(file, out _);
        Assert.HasCount(30, Fitted.Scores(MLContext, loaded.Transform(_data)));
        ((IDisposable)loaded).Dispose();
    }

    /// <summary>
    /// The collector runs all the time while the only reference to a model is that of the engine or view in use. The model is loaded, since
    /// TorchSharp's own batch norm, when it trains, adds a number that nobody holds (see FixedScalars).
    /// </summary>
    [TestMethod]
    public void AModelIsNotCollectedWhileItsEngineOrItsViewIsInUse()
    {
        using var file = new MemoryStream();
        using (SharpnessAwareImageClassificationTransformer model = Fit())
            MLContext.Model.Save(model, _data.Schema, file);
        using var stop = new CancellationTokenSource();
        var collector = new Thread(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }
        });
        collector.Start();
        try
        {
            for (int i = 0; i < LongRun.Choose(20, 200); i++)
            {
                PredictionEngine<PixelRow, ScoredRow> engine = Engine(file);
                foreach (PixelRow row in Shapes.Pixels(3))
                    Assert.AreEqual(1, engine.Predict(row).Score.Sum(), 1e-5f);
                Assert.HasCount(30, Fitted.Scores(MLContext, View(file)));
            }
        }
        finally
        {
            stop.Cancel();
            collector.Join();
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static PredictionEngine<PixelRow, ScoredRow> Engine(Stream file) =>
        MLContext.Model.CreatePredictionEngine<PixelRow, ScoredRow>(MLContext.Model.Load(file, out _));

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static IDataView View(Stream file) => MLContext.Model.Load(file, out _).Transform(_data);

    private static SharpnessAwareImageClassificationTransformer Fit() => Fitted.Model(MLContext, _data, options =>
    {
        options.Arch = NetworkArchitecture.ConvNet;
        options.Epoch = 1;
        options.Method = SharpnessAwareMethod.Standard;
    });

    private static void Refuses(Action use)
    {
        var e = Assert.ThrowsExactly<ObjectDisposedException>(use);
        StringAssert.Contains(e.ObjectName, nameof(SharpnessAwareImageClassificationTransformer));
    }

    private sealed class OwnTensorsNet : nn.Module<Tensor, Tensor>
    {
        private readonly Parameter _scale = new(ones(1));
        private readonly Tensor _shift = zeros(Shapes.Size * Shapes.Size);
        private readonly Tensor _notSaved = ones(1);
        private readonly Tensor[] _inACollection = [zeros(1)];
        private readonly Linear _head;

        public OwnTensorsNet(int classes)
            : base(nameof(OwnTensorsNet))
        {
            _head = nn.Linear(Shapes.Size * Shapes.Size, classes);
            register_buffer("shift", _shift);
            register_buffer("notSaved", _notSaved, persistent: false);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) =>
            _head.call((input.flatten(1) * _scale * _notSaved) + _shift + _inACollection[0]);
    }
}
