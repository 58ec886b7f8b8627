using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Reliability;

/// <summary>Numbers at the edge: no gradient, one image, no image.</summary>
[TestClass]
public sealed class NumbersTests
{
    private readonly MLContext _mlContext = new(seed: 1);

    /// <summary>ρ g/(‖g‖ + ε) is 0 then: no climb, no change, and nothing that is not a number.</summary>
    [TestMethod]
    [DataRow("SAM")]
    [DataRow("SSAM")]
    [DataRow("CSAM")]
    [DataRow("ASAM")]
    [DataRow("SGD")]
    public void AGradientOfZeroChangesNoWeight(string name)
    {
        SharpnessAwareMethod method = name switch
        {
            "SAM" => SharpnessAwareMethod.Sam(),
            "SSAM" => SharpnessAwareMethod.Ssam(),
            "CSAM" => SharpnessAwareMethod.Csam(),
            "ASAM" => SharpnessAwareMethod.Asam(),
            _ => SharpnessAwareMethod.Standard,
        };
        using DisposeScope scope = NewDisposeScope();
        foreach (BaseOptimizer optimizer in new BaseOptimizer[] { new BaseOptimizer.Sgd(0.1, WeightDecay: 0),
            new BaseOptimizer.AdamW(0.1, WeightDecay: 0) })
        {
            using var net = nn.Linear(4, 3);
            float[] before = net.weight.data<float>().ToArray();
            using var sharpnessAware = new SharpnessAwareOptimizer(net, method, optimizer) { MaxGradientNorm = 1 };
            for (int i = 0; i < 3; i++)
            {
                double loss = sharpnessAware.Step(() => net.call(zeros(2, 4)) * 0, tensor(new long[] { 0, 2 }));
                Assert.AreEqual(Math.Log(3), loss, 1e-6);
            }
            CollectionAssert.AreEqual(before, net.weight.data<float>().ToArray());
        }
    }

    /// <summary>Black images and weights of zero: only the bias learns, and with balanced classes not even that.</summary>
    [TestMethod]
    public void ImagesThatAreAllTheSameGiveAModelThatKnowsNothing()
    {
        List<PixelRow> rows = Shapes.Pixels(30);
        rows.ForEach(row => row.Image = new byte[Shapes.Size * Shapes.Size]);
        IDataView data = Fitted.View(_mlContext, rows);
        using var model = Fitted.Model(_mlContext, data);
        foreach (float[] row in Fitted.Scores(_mlContext, model.Transform(data)))
        {
            Assert.AreEqual(1, row.Sum(), 1e-5f);
            Assert.IsTrue(row.All(p => p is > 0.1f and < 0.7f), string.Join(' ', row));
        }
    }

    [TestMethod]
    [DataRow(NetworkArchitecture.ConvNet, 33, 32)]      // two batches of 16 and 17, not one of 32 and one of a single image
    [DataRow(NetworkArchitecture.ConvNet, 3, 2)]        // batches of 1 and 2; a map of 3 × 3 values has a variance
    [DataRow(NetworkArchitecture.ConvNet, 3, 1)]
    [DataRow(NetworkArchitecture.ResNet8, 4, 3)]
    public void ALastBatchOfOneImageIsNoTrouble(string network, int images, int batchSize)
    {
        IDataView data = Fitted.View(_mlContext, Shapes.Pixels(images));
        using var model = Fitted.Model(_mlContext, data, options =>
        {
            (options.Arch, options.BatchSize, options.ValidationSetFraction) = (network, batchSize, 0);
        });
        Assert.IsTrue(Fitted.Scores(_mlContext, model.Transform(data)).SelectMany(row => row).All(float.IsFinite));
        Assert.IsTrue(model.History.All(epoch => double.IsFinite(epoch.TrainLoss)));
    }

    /// <summary>Where the last map is one pixel, one image has no variance; all batches of an epoch but one would be right.</summary>
    [TestMethod]
    public void ABatchOfOneImageInANetworkThatEndsInOnePixelIsAnErrorThatSaysWhatToDo()
    {
        var e = Assert.ThrowsExactly<InvalidOperationException>(() =>
            Fitted.Model(_mlContext, Fitted.View(_mlContext, Shapes.Pixels(3)), options =>
        {
            (options.Arch, options.BatchSize, options.ValidationSetFraction) = (NetworkArchitecture.ResNet18, 2, 0);
            options.Epoch = 1;
        }));
        StringAssert.Contains(e.Message, "BatchSize");
    }

    [TestMethod]
    public void AClassThatIsAbsentFromTheValidationImagesIsScoredAndCalibratedLikeTheOthers()
    {
        List<PixelRow> training = Shapes.Pixels(60), validation = [.. Shapes.Pixels(60, seed: 4).Where(row => row.Label != "slanted")];
        for (int i = 0; i < validation.Count; i += 5)
            validation[i].Label = validation[i].Label == "down" ? "across" : "down";      // so that a temperature can be fitted
        ITransformer keys = _mlContext.Transforms.Conversion.MapValueToKey("Label").Fit(_mlContext.Data.LoadFromEnumerable(training));
        using var model = Fitted.Model(_mlContext, keys.Transform(_mlContext.Data.LoadFromEnumerable(training)), options =>
        {
            options.ValidationSet = keys.Transform(_mlContext.Data.LoadFromEnumerable(validation));
            options.EarlyStoppingCriteria = new EarlyStopping(Patience: 5);
            options.Epoch = 6;
        });
        Assert.IsTrue(model.Temperature > 0 && double.IsFinite(model.Temperature));
        foreach (EpochMetrics epoch in model.History)
            Assert.IsTrue(double.IsFinite(epoch.ValidationLogLoss + epoch.ValidationAccuracy + epoch.ValidationExpectedCalibrationError));
        IDataView scored = model.Transform(keys.Transform(_mlContext.Data.LoadFromEnumerable(training)));
        Assert.IsGreaterThan(0.9, _mlContext.MulticlassClassification.Evaluate(scored).MacroAccuracy, "the absent class is still learned");
        MulticlassCalibrationMetrics metrics = _mlContext.MulticlassClassification.EvaluateCalibration(
            model.Transform(keys.Transform(_mlContext.Data.LoadFromEnumerable(validation))));
        Assert.IsTrue(double.IsFinite(metrics.ExpectedCalibrationError + metrics.ClasswiseCalibrationError +
            metrics.AdaptiveCalibrationError
            + metrics.BrierScore + metrics.LogLoss));
    }

    /// <summary>Two images of it are too few for a tenth; the split leaves both to the training.</summary>
    [TestMethod]
    public void AClassOfTwoImagesIsTrainedOnWhereTheSplitHasNoneOfItToValidate()
    {
        List<PixelRow> rows = [.. Shapes.Pixels(60).Where(row => row.Label != "slanted" || row.Number < 6)];
        IDataView data = Fitted.View(_mlContext, rows);
        using var model = Fitted.Model(_mlContext, data);
        Assert.AreEqual(3, model.ClassNames.Count);
        Assert.IsTrue(double.IsFinite(model.History[^1].ValidationLogLoss) && double.IsFinite(model.Temperature));
    }

    [TestMethod]
    public void AClassThatIsAbsentFromTheTrainingImagesIsLoggedAndGetsLittleProbability()
    {
        var warnings = new List<string>();
        _mlContext.CollectWarnings(warnings);
        ITransformer keys = _mlContext.Transforms.Conversion.MapValueToKey("Label")
            .Fit(_mlContext.Data.LoadFromEnumerable(Shapes.Pixels(60)));
        IDataView data = keys.Transform(_mlContext.Data.LoadFromEnumerable(Shapes.Pixels(60).Where(row => row.Label != "down")));
        using var model = Fitted.Model(_mlContext, data);
        StringAssert.Contains(string.Join('\n', warnings), "no image of: down");
        Assert.IsTrue(Fitted.Scores(_mlContext, model.Transform(data)).All(row => row.All(float.IsFinite) && row[1] < 0.3f));
    }
}
