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

    private SharpnessAwareImageClassificationTransformer Fit(int numberOfBadSteps, OnDivergence onDivergence = OnDivergence.RestoreAndHalve)
    {
        _mlContext.Log += (_, log) =>
        {
            if (log.Kind == Runtime.ChannelMessageKind.Warning && log.Message.Contains("diverged"))
                _warnings.Add(log.Message);
        };
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

        public override TorchSharp.torch.Tensor PerSample(TorchSharp.torch.Tensor logits, TorchSharp.torch.Tensor labels)
        {
            TorchSharp.torch.Tensor loss = new CrossEntropy().PerSample(logits, labels);
            return Armed && Remaining-- > 0 ? loss * double.NaN : loss;
        }
    }
}
