using Microsoft.ML.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
[DoNotParallelize]
public sealed class FineTuningTests
{
    private const int Seed = 3;

    private readonly MLContext _mlContext = new(Seed);
    private readonly IDataView _data;

    public FineTuningTests()
    {
        CountingNetwork.Register();
        _data = Fitted.View(_mlContext, Shapes.Pixels(50));
    }

    [TestMethod]
    public void AFrozenBackboneIsBitForBitAsItWasAndTheHeadLearns()
    {
        foreach (Augmentation augmentation in new[] { Augmentation.None, Augmentation.Flip })
        {
            Dictionary<string, float[]> initial = Initial();
            using var model = Model(options => (options.FreezeBackbone, options.Augmentation) = (true, augmentation));
            foreach ((string name, float[] values) in Weights(model))
            {
                if (name.StartsWith("_classifier", StringComparison.Ordinal))
                    CollectionAssert.AreNotEqual(initial[name], values, name);
                else
                    CollectionAssert.AreEqual(initial[name], values, name);
            }
            Assert.IsLessThan(model.History[0].TrainLoss, model.History[^1].TrainLoss);
        }
    }

    [TestMethod]
    public void EachImageGoesThroughAFrozenBackboneExactlyOnce()
    {
        CountingNetwork.Images = 0;
        using var model = Model(options => options.FreezeBackbone = true);
        Assert.AreEqual(50, CountingNetwork.Images, "training and validation images together");
        Assert.IsTrue(double.IsFinite(model.History[^1].ValidationLogLoss));
        Assert.AreNotEqual(1, model.Temperature);
    }

    [TestMethod]
    public void WithAugmentationEachImageGoesThroughOnceAnEpochThoughAStepHasTwoPasses()
    {
        CountingNetwork.Images = 0;
        using var model = Model(options => (options.FreezeBackbone, options.Augmentation, options.ValidationSetFraction) = (true,
            Augmentation.Flip, null));
        Assert.AreEqual(3 * (50 + 32), CountingNetwork.Images, "32 of them once more, to see that the outputs are finite");
    }

    [TestMethod]
    public void CachedFeaturesGiveTheResultOfTrainingTheHeadInPlace()
    {
        using var cached = Model(options => (options.FreezeBackbone, options.ValidationSetFraction) = (true, null));
        SharpnessAwareImageClassificationTrainer.Options options = Options();
        options.FreezeBackbone = true;
        using PreparedTraining inPlace = Prepare();

        Run(options, inPlace);

        AssertClose(Weights(cached), Weights(inPlace.Classifier.Network), 1e-5);
    }

    [TestMethod]
    public void FreezeEpochsIsTheHeadAloneAndThenEverythingByAFreshOptimizer()
    {
        SharpnessAwareImageClassificationTrainer.Options options = Options();
        (options.FreezeEpochs, options.Epoch, options.BaseOptimizer) = (2, 4, new BaseOptimizer.AdamW(0.01));
        using PreparedTraining trained = Prepare(), expected = Prepare();

        Run(options, trained);
        random.manual_seed(Seed);
        ByHand(expected, options, frozenEpochs: 2);

        Dictionary<string, float[]> actual = Weights(trained.Classifier.Network);
        foreach ((string name, float[] values) in Weights(expected.Classifier.Network))
            CollectionAssert.AreEqual(values, actual[name], name);
        Assert.IsTrue(trained.Classifier.Network.parameters().All(parameter => parameter.requires_grad));
    }

    [TestMethod]
    public void TheBackboneLearnsByItsFactorAndFactorOneChangesNothing()
    {
        Dictionary<string, float[]> initial = Initial();
        Dictionary<string, float[]> none = Trained(_ => { }), one = Trained(options => options.BackboneLearningRateFactor = 1);
        Dictionary<string, float[]> small = Trained(options => options.BackboneLearningRateFactor = 1e-3);

        foreach ((string name, float[] values) in none)
            CollectionAssert.AreEqual(values, one[name], name);
        Assert.IsLessThan(0.01 * Distance("_conv.weight", none), Distance("_conv.weight", small));
        Assert.IsGreaterThan(0, Distance("_conv.weight", small));
        Assert.IsGreaterThan(0.3 * Distance("_classifier.weight", none), Distance("_classifier.weight", small));

        double Distance(string name, Dictionary<string, float[]> weights) =>
            Math.Sqrt(weights[name].Zip(initial[name], (a, b) => Math.Pow(a - b, 2)).Sum());

        Dictionary<string, float[]> Trained(Action<SharpnessAwareImageClassificationTrainer.Options> change)
        {
            using var model = Model(change);
            return Weights(model);
        }
    }

    [TestMethod]
    public void AParameterThatTheNetworkItselfKeepsFixedStaysSo()
    {
        const string Name = "fine-tuning-tests-fixed";
        NetworkArchitecture.Register(Name, classes =>
        {
            var network = new CountingNetwork(classes);
            network.named_parameters().Single(p => p.name == "_conv.weight").parameter.requires_grad = false;
            return network;
        });
        using PreparedTraining setting = Prepare(Name);
        SharpnessAwareImageClassificationTrainer.Options options = Options();
        options.FreezeEpochs = 1;
        float[] before = Weights(setting.Classifier.Network)["_conv.weight"];
        Run(options, setting);
        CollectionAssert.AreEqual(before, Weights(setting.Classifier.Network)["_conv.weight"]);
    }

    [TestMethod]
    public void ANetworkThatDoesNotEndWithItsHeadCannotBeFrozen()
    {
        NetworkArchitecture.Register("fine-tuning-tests-scaled", classes =>
            nn.Sequential(("flatten", nn.Flatten()), ("fc", nn.Linear(144, classes)), ("more", nn.ReLU())));
        NetworkArchitecture.Register("fine-tuning-tests-headless", classes =>
            nn.Sequential(("conv", nn.Conv2d(1, classes, 12)), ("flatten", nn.Flatten())));
        InvalidOperationException exception = Assert.ThrowsExactly<InvalidOperationException>(() => Model(options =>
            (options.FreezeBackbone, options.Arch) = (true, "fine-tuning-tests-scaled")));
        StringAssert.Contains(exception.Message, "'fc', does not give its logits");
        exception = Assert.ThrowsExactly<InvalidOperationException>(() => Model(options =>
            (options.FreezeEpochs, options.Arch) = (1, "fine-tuning-tests-headless")));
        StringAssert.Contains(exception.Message, "'fine-tuning-tests-headless' has no head");
        StringAssert.Contains(exception.Message, "FineTuning is Full");
    }

    [TestMethod]
    public void DivergenceAfterTheThawNamesTheStepOfTheTraining()
    {
        const string Name = "fine-tuning-tests-diverging";
        NetworkArchitecture.Register(Name, classes => new DivergingNetwork(classes));
        TrainingDivergedException exception = Assert.ThrowsExactly<TrainingDivergedException>(() => Model(options =>
            (options.Arch, options.FreezeEpochs, options.ValidationSetFraction) = (Name, 2, null)));
        Assert.AreEqual(3, exception.Epoch);
        Assert.AreEqual(2 * 4 + 1, exception.Step, "two epochs of four batches");
    }

    [TestMethod]
    public void NoTensorIsLeftBehind()
    {
        using var folder = new TemporaryFolder();
        string weights = folder.File("weights.safetensors"), zip = folder.File("model.zip");
        Action<SharpnessAwareImageClassificationTrainer.Options>[] settings =
        [
            _ => { },
            options => (options.FreezeBackbone, options.InitialWeights) = (true, weights),
            options => (options.FreezeBackbone, options.InitialWeights, options.Augmentation) = (true, zip, Augmentation.Flip),
            options => (options.FreezeEpochs, options.InitialWeights, options.BackboneLearningRateFactor) = (1, zip, 0.1),
        ];
        var left = new List<long>();
        foreach (Action<SharpnessAwareImageClassificationTrainer.Options> change in settings)
        {
            // The second time there is nothing left to be made once and for all.
            long before = 0;
            for (int run = 0; run < 2; run++)
            {
                before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
                using var model = Fitted.Model(_mlContext, _data, options =>
                {
                    (options.Arch, options.Epoch) = (NetworkArchitecture.ConvNet, 2);
                    change(options);
                });
                model.SaveWeights(weights);
                _mlContext.Model.Save(model, _data.Schema, zip);
            }
            left.Add(DisposeScopeManager.Statistics.ThreadTotalLiveCount - before);
        }
        CollectionAssert.AreEqual(new long[settings.Length], left, string.Join(", ", left));
    }

    [TestMethod]
    public void SettingsThatContradictEachOtherAreRefused()
    {
        Refused<ArgumentOutOfRangeException>("FreezeEpochs", options => options.FreezeEpochs = -1);
        Refused<ArgumentOutOfRangeException>("set FreezeBackbone", options => options.FreezeEpochs = 3);
        Refused<ArgumentOutOfRangeException>("BackboneLearningRateFactor", options => options.BackboneLearningRateFactor = 0);
        Refused<ArgumentOutOfRangeException>("BackboneLearningRateFactor", options => options.BackboneLearningRateFactor = double.NaN);
        Refused<ArgumentException>("FreezeEpochs must be 0", options => (options.FreezeBackbone, options.FreezeEpochs) = (true, 1));
        Refused<ArgumentException>("Factor 1", options => (options.FreezeBackbone, options.BackboneLearningRateFactor) = (true, 0.1));
        Refused<ArgumentException>("need InitialWeights", options => (options.FreezeBackbone, options.Arch) = (true, "resnet8"));
        Refused<ArgumentException>("need InitialWeights", options => (options.FreezeEpochs, options.Arch) = (1, "ResNet8"));
        Refused<ArgumentException>("InitialWeights", options => options.InitialWeights = " ");

        void Refused<TException>(string message, Action<SharpnessAwareImageClassificationTrainer.Options> change)
            where TException : ArgumentException
        {
            SharpnessAwareImageClassificationTrainer.Options options = Options();
            change(options);
            TException exception = Assert.ThrowsExactly<TException>(
                () => _mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options));
            StringAssert.Contains(exception.Message, message);
        }
    }

    /// <summary>The loop of the trainer written out for a training without augmentation and validation.</summary>
    private static void ByHand(PreparedTraining setting, SharpnessAwareImageClassificationTrainer.Options options, int frozenEpochs)
    {
        nn.Module<Tensor, Tensor> network = setting.Classifier.Network;
        var order = new BatchOrder(setting.Images.Count, options.BatchSize, Seed);
        SharpnessAwareOptimizer? optimizer = null;
        long step = 0;
        for (int epoch = 1; epoch <= options.Epoch; epoch++)
        {
            bool frozen = epoch <= frozenEpochs;
            if (epoch == 1 || epoch == frozenEpochs + 1)
            {
                optimizer?.Dispose();
                foreach ((string name, var parameter) in network.named_parameters())
                    parameter.requires_grad = !frozen || name.StartsWith("_classifier", StringComparison.Ordinal);
                optimizer = new SharpnessAwareOptimizer(network, options.Method, options.BaseOptimizer);
            }
            network.train(!frozen);
            foreach (ReadOnlyMemory<long> rows in order.Epoch(epoch))
            {
                using DisposeScope scope = NewDisposeScope();
                optimizer!.LearningRate = options.BaseOptimizer.LearningRate
                    * options.Schedule.Factor(step++, (long)options.Epoch * order.BatchesPerEpoch);
                Tensor index = tensor(rows.ToArray());
                Tensor images = setting.Classifier.Prepare(setting.Images.Batch(index));
                optimizer.Step(() => network.call(images), setting.Images.Labels.index_select(0, index));
            }
        }
        optimizer?.Dispose();
    }

    private static SharpnessAwareImageClassificationTrainer.Options Options()
    {
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        options.Arch = CountingNetwork.Name;
        options.Method = SharpnessAwareMethod.Csam();
        options.ValidationSetFraction = null;
        return options;
    }

    private SharpnessAwareImageClassificationTransformer Model(Action<SharpnessAwareImageClassificationTrainer.Options> change) =>
        Fitted.Model(_mlContext, _data, options =>
        {
            options.Arch = CountingNetwork.Name;
            change(options);
        });

    private PreparedTraining Prepare(string name = CountingNetwork.Name) => PreparedTraining.Of(_data, Seed, name);

    private void Run(SharpnessAwareImageClassificationTrainer.Options options, PreparedTraining setting)
    {
        using var random = new TorchRandom(Seed);
        IHost host = ((IHostEnvironment)_mlContext).Register("test");
        using IChannel channel = host.Start("test");
        var context = new TrainingContext(host, channel, Seed, random);
        using TrainingPlan plan = TrainingPlan.WholeNetwork(options, setting.Classifier, setting.Images, validation: null, context);
        new TrainingLoop(context, plan).Run();
    }

    private Dictionary<string, float[]> Initial()
    {
        using PreparedTraining setting = Prepare();
        return Weights(setting.Classifier.Network);
    }

    private static Dictionary<string, float[]> Weights(SharpnessAwareImageClassificationTransformer model) =>
        Weights(model.Classifier.Network);

    private static Dictionary<string, float[]> Weights(nn.Module network)
    {
        using DisposeScope scope = NewDisposeScope();
        return network.state_dict().ToDictionary(
            entry => entry.Key, entry => entry.Value.detach().to(float32).contiguous().reshape(-1).data<float>().ToArray());
    }

    private static void AssertClose(Dictionary<string, float[]> expected, Dictionary<string, float[]> actual, double tolerance)
    {
        foreach ((string name, float[] values) in expected)
        {
            for (int i = 0; i < values.Length; i++)
                Assert.AreEqual(values[i], actual[name][i], tolerance, name);
        }
    }

    /// <summary>Gives NaN as soon as its backbone is in training mode.</summary>
    private sealed class DivergingNetwork : nn.Module<Tensor, Tensor>
    {
        private readonly CountingNetwork _inner;

        public DivergingNetwork(int classes)
            : base(nameof(DivergingNetwork))
        {
            _inner = new CountingNetwork(classes);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => training ? _inner.call(input) * float.NaN : _inner.call(input);
    }
}
