using static TorchSharp.torch;
using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

[TestClass]
public sealed class WeightAveragingTests
{
    private const string Linear = "weight-averaging-tests";
    private const int Epochs = 4, StepsPerEpoch = 2;

    private readonly MLContext _mlContext = new(seed: 1);
    private readonly IDataView _data;

    public WeightAveragingTests()
    {
        CountingNetwork.Register();
        NetworkArchitecture.Register(Linear, classes => nn.Sequential(
            ("flatten", nn.Flatten()), ("dropout", nn.Dropout(0.1)), ("fc", nn.Linear(Shapes.Size * Shapes.Size, classes))));
        _data = Fitted.View(_mlContext, Shapes.Pixels(32));
    }

    [TestMethod]
    public void AnAverageOverOneStepIsTheTrainingWithoutItBitForBit() => CollectionAssert.AreEqual(
        Weights(), Weights(options => options.WeightAveraging = new WeightAveraging.Exponential(1.0 / (Epochs * StepsPerEpoch))));

    [TestMethod]
    public void TheUniformAverageIsTheMeanOfTheWeightsAfterTheLastEpochs()
    {
        float[] third = Weights(options => options.Epoch = 3), fourth = Weights(options => options.Epoch = 4);
        float[] average = Weights(options => options.WeightAveraging = new WeightAveraging.Uniform(0.5));

        for (int i = 0; i < average.Length; i++)
            Assert.AreEqual((third[i] + fourth[i]) / 2, average[i], 1e-6);
        CollectionAssert.AreEqual(fourth, Weights(options => options.WeightAveraging = new WeightAveraging.Uniform(0.01)), "one epoch");
    }

    [TestMethod]
    public void TheExponentialAverageIsTheSumOfAllStepsByHand()
    {
        float[][] steps = [.. Enumerable.Range(1, Epochs)
            .Select(epochs => Weights(options => (options.Epoch, options.BatchSize) = (epochs, 100)))];
        double[] expected = [.. steps[0].Select(weight => (double)weight)];
        const double Share = 0.5, Decay = 1 - (1 / (Share * Epochs));
        foreach (float[] weights in steps[1..])
            expected = [.. expected.Zip(weights, (mean, weight) => (Decay * mean) + ((1 - Decay) * weight))];

        float[] average = Weights(options => (options.BatchSize, options.WeightAveraging) = (100, new WeightAveraging.Exponential(Share)));

        for (int i = 0; i < average.Length; i++)
            Assert.AreEqual(expected[i], average[i], 1e-6);
    }

    [TestMethod]
    [DataRow(false, false)]
    [DataRow(true, false)]
    [DataRow(true, true)]
    public void WhatIsValidatedIsWhatIsReturned(bool earlyStopping, bool batchNorm)
    {
        IDataView validation = Fitted.View(_mlContext, Shapes.Pixels(30, seed: 4));
        using SharpnessAwareImageClassificationTransformer model = Model(options =>
        {
            (options.Arch, options.ValidationSet) = (batchNorm ? CountingNetwork.Name : Linear, validation);
            options.Calibration = ProbabilityCalibration.None;
            options.WeightAveraging = new WeightAveraging.Exponential(0.3);
            options.EarlyStoppingCriteria = earlyStopping ? new EarlyStopping(Patience: 10, Metric: EarlyStoppingMetric.Loss) : null;
        });

        EpochMetrics returned = earlyStopping ? BestEpoch.Of(model.History, EarlyStoppingMetric.Loss) : model.History[^1];
        MulticlassCalibrationMetrics metrics = _mlContext.MulticlassClassification.EvaluateCalibration(model.Transform(validation));
        Assert.AreEqual(returned.ValidationLogLoss, metrics.LogLoss, 1e-5);
        Assert.AreEqual(returned.ValidationAccuracy, metrics.Accuracy, 1e-9);
        Assert.AreEqual(metrics.ExpectedCalibrationError, returned.ValidationExpectedCalibrationError, 1e-5);
        if (!batchNorm)
            Assert.AreNotEqual(metrics.ExpectedCalibrationError, metrics.AdaptiveCalibrationError, 1e-3, "it would not show");
    }

    [TestMethod]
    [DataRow(false, false, 0)]
    [DataRow(false, true, 0)]
    [DataRow(true, false, 0)]
    [DataRow(true, true, 1)]
    public void FrozenStatisticsStayThoseOfTheInitialWeights(bool isUniform, bool earlyStopping, int freezeEpochs)
    {
        IDataView validation = Fitted.View(_mlContext, Shapes.Pixels(12, seed: 4));
        using SharpnessAwareImageClassificationTransformer model = Model(options =>
        {
            (options.Arch, options.FreezeBatchNorm, options.FreezeEpochs) = (CountingNetwork.Name, true, freezeEpochs);
            options.WeightAveraging = isUniform ? new WeightAveraging.Uniform(0.5) : new WeightAveraging.Exponential(0.4);
            options.ValidationSet = earlyStopping ? validation : null;
            options.EarlyStoppingCriteria = earlyStopping ? new EarlyStopping(Patience: 10, Metric: EarlyStoppingMetric.Loss) : null;
        });
        AssertStatistics(model, areThoseOfTheStart: true);
    }

    [TestMethod]
    public void StatisticsThatAreNotFrozenAreThoseOfTheAverage()
    {
        using SharpnessAwareImageClassificationTransformer model = Model(options =>
            (options.Arch, options.WeightAveraging) = (CountingNetwork.Name, new WeightAveraging.Exponential()));
        AssertStatistics(model, areThoseOfTheStart: false);
    }

    private static void AssertStatistics(SharpnessAwareImageClassificationTransformer model, bool areThoseOfTheStart)
    {
        using TorchSharp.DisposeScope scope = NewDisposeScope();
        foreach ((string name, Tensor buffer) in model.Classifier.Network.named_buffers())
        {
            int start = name.EndsWith("running_var", StringComparison.Ordinal) ? 1 : 0;
            Assert.AreEqual(areThoseOfTheStart, buffer.eq(start).all().item<bool>(), name);
        }
    }

    [TestMethod]
    [DataRow("exponential", 1)]
    [DataRow("exponential", 3)]
    [DataRow("uniform", 3)]
    [DataRow("uniform", 4)]
    public void ATrainingThatWasCancelledGoesOnToTheSameAverage(string kind, int cancelledAfter)
    {
        using var folder = new TemporaryFolder();
        using var cancellation = new CancellationTokenSource();
        Action<Options> average = options => (options.Arch, options.WeightAveraging, options.ValidationSetFraction) =
            (CountingNetwork.Name, kind == "uniform" ? new WeightAveraging.Uniform(0.5) : new WeightAveraging.Exponential(0.4), 0.2);
        float[] undisturbed = Weights(average);
        bool cancelled = false;
        try
        {
            Weights(options =>
            {
                average(options);
                (options.CheckpointPath, options.CancellationToken) = (folder.File("run.ckpt"), cancellation.Token);
                options.MetricsCallback = epoch => Cancel(epoch.Epoch);
            });
        }
        catch (OperationCanceledException)
        {
            cancelled = true;
        }
        Assert.AreEqual(cancelledAfter < Epochs, cancelled, "after the last epoch there is nothing to cancel");

        CollectionAssert.AreEqual(undisturbed, Weights(options =>
        {
            average(options);
            options.CheckpointPath = folder.File("run.ckpt");
        }));

        void Cancel(int epoch)
        {
            if (epoch == cancelledAfter)
                cancellation.Cancel();
        }
    }

    [TestMethod]
    public void AShareOfNothingOrMoreThanAllIsRefused()
    {
        foreach (double share in new[] { 0, -0.1, 1.1, double.NaN })
        {
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new WeightAveraging.Exponential(share));
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new WeightAveraging.Uniform() with { Share = share });
        }
    }

    [TestMethod]
    public void NoTensorIsLeftBehind()
    {
        long before = 0, after = 0;
        for (int run = 0; run < 3; run++)       // what is made once and for all is made in the first
        {
            before = after;
            Model(options => (options.Arch, options.WeightAveraging) = (NetworkArchitecture.ConvNet, new WeightAveraging.Exponential()))
                .Dispose();
            after = TorchSharp.DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        }
        Assert.AreEqual(before, after);
    }

    private float[] Weights(Action<Options>? change = null)
    {
        using SharpnessAwareImageClassificationTransformer model = Model(change ?? (_ => { }));
        return [.. model.Classifier.Network.state_dict().Values.SelectMany(
            tensor => tensor.to(ScalarType.Float32).contiguous().data<float>().ToArray())];
    }

    private SharpnessAwareImageClassificationTransformer Model(Action<Options> change) => Fitted.Model(_mlContext, _data, options =>
    {
        (options.Arch, options.Epoch, options.BatchSize, options.ValidationSetFraction) = (Linear, Epochs, 16, null);
        options.Schedule = new LearningRateSchedule.Constant();
        change(options);
    });
}
