using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class BadInputTests
{
    private readonly MLContext _mlContext = new(1);

    [TestMethod]
    public void ALabelThatIsNoKeyIsRefusedWithTheCure()
    {
        IDataView data = _mlContext.Data.LoadFromEnumerable(Shapes.Pixels(6));
        AssertRefused(data, "'Label'", "MapValueToKey");
    }

    [TestMethod]
    public void AMissingColumnIsNamedWithThoseThatThereAre()
    {
        IDataView data = Fitted.View(_mlContext, Shapes.Pixels(6));
        AssertRefused(data, options => options.FeatureColumnName = "Picture", "'Picture'", "Image");
        AssertRefused(data, options => options.LabelColumnName = "Class", "'Class'", "Label");
    }

    [TestMethod]
    public void AFeatureColumnOfAnotherTypeIsRefused()
    {
        IDataView data = Fitted.View(_mlContext, Shapes.Pixels(6));
        AssertRefused(data, options => options.FeatureColumnName = "Number", "'Number'");
    }

    [TestMethod]
    [DataRow(0, "empty")]
    [DataRow(1, "row 4")]
    [DataRow(2, "row 4")]
    public void AnImageThatCannotBeDecodedIsNamedByRowAndPath(int kind, string expected)
    {
        List<EncodedRow> rows = Shapes.Encoded(9);
        byte[] good = rows[4].Image;
        rows[4].Image = kind switch
        {
            0 => [],
            1 => [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
            _ => good[..(good.Length / 2)],
        };
        AssertRefused(Fitted.View(_mlContext, rows), expected, "'Image'", rows[4].ImagePath);
    }

    /// <summary>As Model Builder laid scripts out in 2020.</summary>
    [TestMethod]
    public void AnImageThatCannotBeReadIsNamedByThePathInImageSource()
    {
        List<EncodedRow> rows = Shapes.Encoded(9);
        rows[4].Image = [1, 2, 3];
        IDataView data = Fitted.View(_mlContext, rows);
        data = _mlContext.Transforms.CopyColumns("ImageSource", "ImagePath")
            .Append(_mlContext.Transforms.DropColumns("ImagePath")).Fit(data).Transform(data);
        AssertRefused(data, "row 4", "'Image'", rows[4].ImagePath);
    }

    [TestMethod]
    public void SkippedImagesAreCountedInTheLogAndTheRestIsTrainedOn()
    {
        List<EncodedRow> rows = Shapes.Encoded(30), validation = Shapes.Encoded(9, seed: 1);
        foreach (int bad in new[] { 0, 7, 8 })
            rows[bad].Image = [1, 2, 3];
        validation[2].Image = [];
        var warnings = new List<string>();
        _mlContext.CollectWarnings(warnings);
        using var model = Fitted.Model(_mlContext, Fitted.View(_mlContext, rows), options =>
        {
            options.OnBadImage = OnBadImage.Skip;
            options.ValidationSet = Fitted.View(_mlContext, validation);
            options.Epoch = 1;
        });
        StringAssert.Contains(warnings.First(warning => warning.Contains("3 of 30 images")), rows[7].ImagePath);
        Assert.IsTrue(warnings.Any(warning => warning.Contains("1 of 9 images") && warning.Contains(validation[2].ImagePath)));
    }

    [TestMethod]
    public void AnImageThatCannotBeDecodedIsNamedWhenScoringToo()
    {
        List<EncodedRow> rows = Shapes.Encoded(30);
        using var model = Fitted.Model(_mlContext, Fitted.View(_mlContext, rows), options => options.Epoch = 1);
        rows[4].Image = [1, 2, 3];

        var e = Assert.Throws<InvalidOperationException>(() =>
            Fitted.Scores(_mlContext, model.Transform(_mlContext.Data.LoadFromEnumerable(rows))));
        Assert.Contains(rows[4].ImagePath, e.Message);
    }

    [TestMethod]
    public void OneClassOnlyIsRefused()
    {
        IDataView data = Fitted.View(_mlContext, Shapes.Pixels(9).Where(row => row.Label == Shapes.Names[0]));
        AssertRefused(data, "one class only");
    }

    [TestMethod]
    public void EmptyDataIsRefused()
    {
        IDataView data = _mlContext.Data.SkipRows(Fitted.View(_mlContext, Shapes.Pixels(6)), 6);
        AssertRefused(data, "no rows");
    }

    [TestMethod]
    public void NaNPixelsAreRefusedWithTheirRow()
    {
        List<FloatRow> rows = Shapes.Floats(9);
        rows[5].Image[3] = float.NaN;
        AssertRefused(Fitted.View(_mlContext, rows), "'Image'", "row 5");
    }

    [TestMethod]
    public void AMissingLabelIsRefusedWithItsRow()
    {
        ITransformer toKeys = _mlContext.Transforms.Conversion.MapValueToKey("Label")
            .Fit(_mlContext.Data.LoadFromEnumerable(Shapes.Pixels(9).Take(2)));
        AssertRefused(toKeys.Transform(_mlContext.Data.LoadFromEnumerable(Shapes.Pixels(9))), "'Label'", "row 2");
    }

    [TestMethod]
    public void AValidationSetOfOtherKeysIsRefusedWithTheDifference()
    {
        IDataView data = Fitted.View(_mlContext, Shapes.Pixels(12));
        IDataView fewer = Fitted.View(_mlContext, Shapes.Pixels(12).Where(row => row.Label != "down"));
        AssertRefused(data, options => options.ValidationSet = fewer, "2 keys", "3", "MapValueToKey");

        IDataView reordered = _mlContext.Transforms.Conversion.MapValueToKey("Label")
            .Fit(_mlContext.Data.LoadFromEnumerable(Shapes.Pixels(12).OrderByDescending(row => row.Label)))
            .Transform(_mlContext.Data.LoadFromEnumerable(Shapes.Pixels(12)));
        AssertRefused(data, options => options.ValidationSet = reordered, "'slanted'", "'across'");
    }

    [TestMethod]
    public void SettingsOutOfRangeAreNamed()
    {
        AssertOutOfRange("BatchSize", options => options.BatchSize = 0);
        AssertOutOfRange("Epoch", options => options.Epoch = 0);
        AssertOutOfRange("ImageWidth", options => options.ImageWidth = 0);
        AssertOutOfRange("ImageChannels", options => options.ImageChannels = 2);
        AssertOutOfRange("ValidationSetFraction", options => options.ValidationSetFraction = 1);
        AssertOutOfRange("LearningRate", options => options.LearningRate = double.NaN);
        AssertOutOfRange("LearningRate", options => options.LearningRate = 3.5e38);
        AssertOutOfRange("MaxGradientNorm", options => options.MaxGradientNorm = 0);
        AssertOutOfRange("MaxGradientNorm", options => options.MaxGradientNorm = 3.5e38);
        AssertOutOfRange("MaxGradientNorm", options => options.MaxGradientNorm = double.PositiveInfinity);
        AssertOutOfRange("BackboneLearningRateFactor", options => options.BackboneLearningRateFactor = 3.5e38);
        foreach (double nothingAsFloat in new[] { 1e-50, double.Epsilon })
        {
            AssertOutOfRange("MaxGradientNorm", options => options.MaxGradientNorm = nothingAsFloat);
            AssertOutOfRange("LearningRate", options => options.LearningRate = nothingAsFloat);
            AssertOutOfRange("BackboneLearningRateFactor", options => options.BackboneLearningRateFactor = nothingAsFloat);
        }
        AssertOutOfRange("LearningRate", options => options.BaseOptimizer = new BaseOptimizer.Sgd(3.5e38));
        AssertOutOfRange("WeightDecay", options => options.BaseOptimizer = new BaseOptimizer.AdamW(1e-3, WeightDecay: 3.5e38));
        AssertOutOfRange("Rho", options => options.Method = SharpnessAwareMethod.Sam(rho: 3.5e38));
        AssertOutOfRange("Rho", options => options.Method = SharpnessAwareMethod.Sam(rho: -0.1));
        AssertOutOfRange("Gamma", options => options.Method = SharpnessAwareMethod.Csam(gamma: 2.1));
        Assert.Contains("'gpu'", Assert.Throws<ArgumentException>(() => Trainer(options => options.Device = "gpu")).Message);
    }

    [TestMethod]
    public void AnUnknownNetworkIsRefusedWithTheKnownOnes()
    {
        IDataView data = Fitted.View(_mlContext, Shapes.Pixels(12));
        var e = Assert.Throws<ArgumentException>(() => Fitted.Model(_mlContext, data, options => options.Arch = "resnet9000"));
        Assert.Contains("resnet9000", e.Message);
        Assert.Contains(NetworkArchitecture.ResNet18, e.Message);
    }

    [TestMethod]
    public void AGpuThatIsNotThereIsRefusedUnlessTheContextFallsBack()
    {
        if (TorchSharp.torch.cuda.is_available())
            Assert.Inconclusive("This machine has a GPU.");
        IDataView data = Fitted.View(_mlContext, Shapes.Pixels(30));
        var e = Assert.Throws<InvalidOperationException>(() => Fitted.Model(_mlContext, data, options => options.Device = "cuda"));
        Assert.Contains("FallbackToCpu", e.Message);

        _mlContext.FallbackToCpu = true;
        using var model = Fitted.Model(_mlContext, data, options =>
        {
            options.Device = "cuda";
            options.Epoch = 1;
        });
        Assert.HasCount(1, model.History);
    }

    [TestMethod]
    public void ANetworkWhoseOutputHasTheWrongShapeIsRefused()
    {
        NetworkArchitecture.Register("test-wrong-output", classes => TorchSharp.torch.nn.Sequential(
            TorchSharp.torch.nn.Flatten(), TorchSharp.torch.nn.Linear(Shapes.Size * Shapes.Size, classes + 1)));
        AssertRefused(Fitted.View(_mlContext, Shapes.Pixels(30)), options => options.Arch = "test-wrong-output", "test-wrong-output",
            ", 3]");
    }

    [TestMethod]
    public void ABatchThatGivesBatchNormNothingToAverageIsRefused() => AssertRefused(
        Fitted.View(_mlContext, Shapes.Pixels(6)),
        options =>
        {
            options.Arch = NetworkArchitecture.ResNet18;
            options.BatchSize = 1;
            options.Epoch = 1;
            options.Method = SharpnessAwareMethod.Standard;
        },
        "BatchSize", "had one value for each channel");

    [TestMethod]
    public void ALossThatIsNoLongerFiniteStopsTheTrainingWithEpochStepAndAdvice()
    {
        IDataView data = Fitted.View(_mlContext, Shapes.Pixels(60));
        var e = Assert.ThrowsExactly<TrainingDivergedException>(() => Fitted.Model(_mlContext, data, options =>
        {
            options.LearningRate = 1e30;
            options.Schedule = new LearningRateSchedule.Constant();
        }));
        Assert.IsNotNull(e.Epoch);
        Assert.Contains("learning rate", e.Message);
    }

    private SharpnessAwareImageClassificationTrainer Trainer(Action<Options> change)
    {
        Options options = Fitted.QuickOptions();
        change(options);
        return _mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options);
    }

    private void AssertRefused(IDataView data, params string[] expected) => AssertRefused(data, _ => { }, expected);

    private void AssertRefused(IDataView data, Action<Options> change, params string[] expected)
    {
        SharpnessAwareImageClassificationTrainer trainer = Trainer(change);
        var e = Assert.Throws<Exception>(() => trainer.Fit(data));
        Assert.IsTrue(e is InvalidOperationException or ArgumentOutOfRangeException, e.ToString());
        foreach (string part in expected)
            Assert.Contains(part, e.Message);
    }

    private void AssertOutOfRange(string name, Action<Options> change)
    {
        var e = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Trainer(change));
        Assert.Contains(name, e.Message, StringComparison.OrdinalIgnoreCase);
    }
}
