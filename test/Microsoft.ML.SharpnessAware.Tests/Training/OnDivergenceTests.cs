using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

[TestClass]
public sealed class OnDivergenceTests
{
    private readonly MLContext _mlContext = new(seed: 1);
    private readonly List<string> _warnings = [];

    [TestMethod]
    public void ATrainingThatDivergesOnceGoesOnWithHalfTheLearningRate()
    {
        using SharpnessAwareImageClassificationTransformer model = Fit(numberOfBadSteps: 1);

        StringAssert.Contains(_warnings.Single(), "half the learning rate (1 of at most 3 times)");
        Assert.HasCount(3, model.History);
        Assert.AreEqual(0.05, model.History[0].LearningRate, 1e-12);
        Assert.AreEqual(0.025, model.History[1].LearningRate, 1e-12, "of the epoch that diverged");
        Assert.AreEqual(0.025, model.History[2].LearningRate, 1e-12, "and from then on");
    }

    [TestMethod]
    public void ItStopsTheFourthTime()
    {
        TrainingDivergedException exception = Assert.ThrowsExactly<TrainingDivergedException>(() => Fit(numberOfBadSteps: 4).Dispose());
        Assert.AreEqual(2, exception.Epoch);
        Assert.HasCount(3, _warnings);
    }

    [TestMethod]
    public void ByDefaultItStopsTheFirstTime()
    {
        Assert.ThrowsExactly<TrainingDivergedException>(() => Fit(numberOfBadSteps: 1, OnDivergence.Stop).Dispose());
        Assert.IsEmpty(_warnings);
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void WeightsThatAreFiniteAndTooLargeAreFoundAfterTheLastStep(bool withValidation)
    {
        IDataView data = Fitted.View(_mlContext, Shapes.Pixels(30));
        TrainingDivergedException exception = Assert.ThrowsExactly<TrainingDivergedException>(() =>
            Fitted.Model(_mlContext, data, options =>
        {
            (options.Arch, options.BatchSize, options.Epoch, options.LearningRate) = (NetworkArchitecture.ResNet20, 64, 1, 1e30);
            (options.Schedule, options.ValidationSetFraction) = (new LearningRateSchedule.Constant(), null);
            options.ValidationSet = withValidation ? data : null;
        }));
        Assert.AreEqual((1, 1L, 1e30), (exception.Epoch!.Value, exception.Step, exception.LearningRate));
        Assert.IsTrue(double.IsFinite(exception.Loss));
        StringAssert.Contains(exception.Message, "network 'resnet20'");
    }

    [TestMethod]
    [DataRow("SGD, decay", false)]
    [DataRow("AdamW, decay", false)]
    [DataRow("AdamW, decay", true)]
    [DataRow("SGD, momentum", true)]
    [DataRow("climb", false)]
    [DataRow("climb that is not normalised", true)]
    [DataRow("mixed labels", false)]
    public void HugeSettingsOfAllKindsEndAsDivergence(string kind, bool withValidation)
    {
        IDataView data = Fitted.View(_mlContext, Shapes.Pixels(30));
        TrainingDivergedException exception = Assert.ThrowsExactly<TrainingDivergedException>(() =>
            Fitted.Model(_mlContext, data, options =>
        {
            (options.Arch, options.BatchSize, options.Epoch, options.Method) =
                (NetworkArchitecture.ConvNet, 10, 2, SharpnessAwareMethod.Standard);
            (options.Schedule, options.ValidationSetFraction) = (new LearningRateSchedule.Constant(), withValidation ? 0.3 : null);
            switch (kind)
            {
                case "SGD, decay":
                    options.BaseOptimizer = new BaseOptimizer.Sgd(0.05, WeightDecay: 1e37);
                    break;
                case "AdamW, decay":
                    options.BaseOptimizer = new BaseOptimizer.AdamW(1e20, WeightDecay: 1e30);
                    break;
                case "SGD, momentum":
                    options.BaseOptimizer = new BaseOptimizer.Sgd(1e10, Momentum: 0.999999, Nesterov: true);
                    break;
                case "climb":
                    options.Method = SharpnessAwareMethod.Ssam(1e38);
                    break;
                case "climb that is not normalised":
                    options.Method = SharpnessAwareMethod.Asam(1e38) with { NormalizeAscent = false };
                    break;
                default:
                    (options.LearningRate, options.Augmentation) = (1e25, new() { Mixup = 1 });
                    break;
            }
        }));
        Assert.IsNotNull(exception.Epoch);
    }

    [TestMethod]
    public void ARunningVarianceThatIsInfiniteIsDivergenceToo()
    {
        NetworkArchitecture.Register("on-divergence-tests-variance", classes => new OneBadNetwork(classes, "variance"));
        IDataView data = Fitted.View(_mlContext, Shapes.Pixels(30));
        StringAssert.Contains(Diverged(data, "on-divergence-tests-variance").Message, "running statistics '_norm.running_var'");
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void OutputsThatAreBadForOneClassOnlyAreFound(bool withValidation)
    {
        NetworkArchitecture.Register("on-divergence-tests-class", classes => new OneBadNetwork(classes, "class"));
        IDataView data = Fitted.View(_mlContext, Shapes.Pixels(300).OrderBy(row => row.Label == Shapes.Names[0]));
        StringAssert.Contains(Diverged(data, "on-divergence-tests-class", withValidation).Message,
            "the outputs of network 'on-divergence-tests-class'");
    }

    [TestMethod]
    public void WhatIsFoundAfterAnEpochIsTriedAgainToo()
    {
        NetworkArchitecture.Register("on-divergence-tests-once", classes => new OneBadNetwork(classes, "once"));
        OneBadNetwork.Remaining = 2;
        _mlContext.Log += Keep;
        using SharpnessAwareImageClassificationTransformer model =
            Fitted.Model(_mlContext, Fitted.View(_mlContext, Shapes.Pixels(30)), options =>
        {
            (options.Arch, options.OnDivergence, options.ValidationSetFraction) =
                ("on-divergence-tests-once", OnDivergence.RestoreAndHalve, null);
            (options.Schedule, options.Epoch) = (new LearningRateSchedule.Constant(), 2);
        });
        Assert.HasCount(2, _warnings);
        Assert.AreEqual(0.0125, model.History[0].LearningRate, 1e-12);
        Assert.HasCount(2, model.History);
    }

    /// <summary>Six steps an epoch. The loss of step 10 is not a number, so that the second epoch begins anew; a checkpoint that was
    /// written in its middle knows its beginning.</summary>
    [TestMethod]
    public void AKilledTrainingGoesBackToTheBeginningOfTheEpochToo()
    {
        _mlContext.Log += Keep;
        float[] expected = Train(checkpoint: null, step => step == 10);
        using var folder = new TemporaryFolder();
        string path = folder.File("training.ckpt");
        Assert.ThrowsExactly<TimeoutException>(() => Train(path, step => step == 9 ? throw new TimeoutException() : false));
        CollectionAssert.AreEqual(expected, Train(path, step => step + 8 == 10));
        Assert.HasCount(2, _warnings);
        foreach (string warning in _warnings)
            StringAssert.Contains(warning, "the beginning of epoch 2");

        float[] Train(string? checkpoint, Func<int, bool> isBad)
        {
            (ScriptedLoss.Step, ScriptedLoss.IsBad) = (0, isBad);
            using SharpnessAwareImageClassificationTransformer model =
                Fitted.Model(_mlContext, Fitted.View(_mlContext, Shapes.Pixels(48)), options =>
                {
                    (options.Method, options.Loss, options.Epoch) = (SharpnessAwareMethod.Standard, new ScriptedLoss(), 3);
                    (options.BatchSize, options.ValidationSetFraction) = (8, null);
                    (options.OnDivergence, options.CheckpointPath, options.CheckpointSteps) =
                        (OnDivergence.RestoreAndHalve, checkpoint, checkpoint is null ? null : 2);
                });
            return [.. model.Classifier.Network.parameters().SelectMany(p => p.data<float>().ToArray())];
        }
    }

    private sealed record ScriptedLoss : ClassificationLoss
    {
        public static int Step { get; set; }

        public static Func<int, bool> IsBad { get; set; } = _ => false;

        public override Tensor PerSample(Tensor logits, Tensor labels)
        {
            Tensor loss = new CrossEntropy().PerSample(logits, labels);
            return IsBad(++Step) ? loss * double.NaN : loss;
        }
    }

    private TrainingDivergedException Diverged(IDataView data, string network, bool withValidation = false) =>
        Assert.ThrowsExactly<TrainingDivergedException>(() => Fitted.Model(_mlContext, data, options =>
            (options.Arch, options.Epoch, options.ValidationSetFraction) = (network, 1, withValidation ? 0.2 : null)));

    private void Keep(object? sender, LoggingEventArgs log)
    {
        if (log.Kind == Runtime.ChannelMessageKind.Warning && log.Message.Contains("diverged"))
            _warnings.Add(log.Message);
    }

    private SharpnessAwareImageClassificationTransformer Fit(int numberOfBadSteps, OnDivergence onDivergence = OnDivergence.RestoreAndHalve)
    {
        _mlContext.Log += Keep;
        var loss = new FailingLoss { Remaining = numberOfBadSteps };
        SharpnessAwareImageClassificationTransformer model = Fitted.Model(_mlContext, Fitted.View(_mlContext, Shapes.Pixels(48)), options =>
        {
            options.Method = SharpnessAwareMethod.Standard;
            options.Schedule = new LearningRateSchedule.Constant();
            options.Loss = loss;
            options.MetricsCallback = epoch => loss.Armed = epoch.Epoch >= 1;
            options.OnDivergence = onDivergence;
        });
        return model;
    }

    /// <summary>Cross entropy that is not a number some times after the first epoch.</summary>
    private sealed record FailingLoss : ClassificationLoss
    {
        public bool Armed { get; set; }

        public int Remaining { get; set; }

        public override Tensor PerSample(Tensor logits, Tensor labels)
        {
            Tensor loss = new CrossEntropy().PerSample(logits, labels);
            return Armed && Remaining-- > 0 ? loss * double.NaN : loss;
        }
    }

    /// <summary>Losses and gradients are finite; running statistics or outputs in evaluation mode are not.</summary>
    private sealed class OneBadNetwork : nn.Module<Tensor, Tensor>
    {
        private readonly TorchSharp.Modules.BatchNorm2d _norm = nn.BatchNorm2d(1);
        private readonly TorchSharp.Modules.Linear _classifier;
        private readonly string _kind;

        public OneBadNetwork(int classes, string kind)
            : base(nameof(OneBadNetwork))
        {
            _classifier = nn.Linear(Shapes.Size * Shapes.Size, classes);
            _kind = kind;
            RegisterComponents();
        }

        public static int Remaining { get; set; }

        public override Tensor forward(Tensor input)
        {
            Tensor features = _kind == "variance" ? input * 1e25 : input;
            Tensor logits = _classifier.call(_norm.call(features).flatten(1));
            if (!training && (_kind == "class" || (_kind == "once" && Remaining-- > 0)))
            {
                // The stripes of the first class are rows of one brightness.
                Tensor isAcross = input.mean([3L]).var(dim: 2).squeeze(1).gt(input.mean([2L]).var(dim: 2).squeeze(1) * 4);
                return where(isAcross.unsqueeze(1), logits * float.NaN, logits);
            }
            return logits;
        }
    }
}
