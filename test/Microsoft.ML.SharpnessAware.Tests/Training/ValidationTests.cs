namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>What a training does with its validation images: metrics, the temperature, early stopping.</summary>
[TestClass]
public sealed class ValidationTests
{
    [TestMethod]
    public void ValidationImagesAreResizedAsInTraining()
    {
        var mlContext = new MLContext(1);
        IDataView data = Fitted.View(mlContext, Shapes.Encoded(24));
        using var model = Fitted.Model(mlContext, data, options =>
        {
            (options.Resizing, options.ImageWidth, options.ImageHeight, options.Epoch) = (ResizingKind.IsoCrop, 16, 8, 1);
            (options.ValidationSet, options.Calibration) = (data, ProbabilityCalibration.None);
        });
        double logLoss = mlContext.MulticlassClassification.Evaluate(model.Transform(data)).LogLoss;
        Assert.AreEqual(logLoss, model.History[^1].ValidationLogLoss, 1e-5);
    }

    [TestMethod]
    public void AValidationSetOfOnesOwnIsUsed()
    {
        var mlContext = new MLContext(1);
        IDataView data = Fitted.View(mlContext, Shapes.Pixels(30));
        IDataView other = Fitted.View(mlContext, Shapes.Pixels(30, seed: 4));
        using var model = Fitted.Model(mlContext, data, options => options.ValidationSet = other);
        using var without = Fitted.Model(mlContext, data, options => options.ValidationSetFraction = 0);

        Assert.IsTrue(double.IsFinite(model.History[0].ValidationAccuracy));
        Assert.IsTrue(double.IsNaN(without.History[0].ValidationAccuracy));
        Assert.AreEqual(1.0, without.Temperature);
    }

    [TestMethod]
    public void TemperatureIsFittedOnTheValidationImagesAndFoldedIntoScore()
    {
        var mlContext = new MLContext(1);
        IDataView data = Fitted.View(mlContext, Shapes.Pixels(60));
        // Some labels of the validation images are wrong, so that no temperature separates them.
        List<PixelRow> rows = Shapes.Pixels(60, seed: 4);
        for (int i = 0; i < rows.Count; i += 5)
            rows[i].Label = Shapes.Names[(i + 1) % 3];
        IDataView validation = Fitted.View(mlContext, rows);
        using var model = Fitted.Model(mlContext, data, options => options.ValidationSet = validation);
        using var raw = model.WithTemperature(1);

        Assert.AreNotEqual(1.0, model.Temperature);
        float[] p = Fitted.Scores(mlContext, model.Transform(data))[0];
        float[] q = Fitted.Scores(mlContext, raw.Transform(data))[0];
        double[] powers = [.. q.Select(value => Math.Pow(value, 1 / model.Temperature))];
        for (int i = 0; i < p.Length; i++)
            Assert.AreEqual(powers[i] / powers.Sum(), p[i], 1e-5);

        double before = mlContext.MulticlassClassification.Evaluate(raw.Transform(validation)).LogLoss;
        double after = mlContext.MulticlassClassification.Evaluate(model.Transform(validation)).LogLoss;
        Assert.IsLessThanOrEqualTo(before, after);
    }

    [TestMethod]
    public void ValidationImagesThatAreAllRightRaiseConfidenceAsTheTemperatureCalibratorDoes()
    {
        var mlContext = new MLContext(1);
        IDataView validation = Fitted.View(mlContext, Shapes.Pixels(30, seed: 4));
        using var model = Fitted.Model(mlContext, Fitted.View(mlContext, Shapes.Pixels(150)), options =>
        {
            options.Epoch = 3;
            options.Loss = new ClassificationLoss.CrossEntropy(LabelSmoothing: 0.3);
            options.ValidationSet = validation;
        });
        Assert.AreEqual(1.0, model.History[^1].ValidationAccuracy);

        using var raw = model.WithTemperature(1);
        var calibrator = (TemperatureCalibrator)mlContext.MulticlassClassification.Calibrators.Temperature().Fit(raw.Transform(validation))
            .Calibrator;
        Assert.AreEqual(calibrator.Temperature, model.Temperature, 1e-4);
        Assert.IsTrue(model.Temperature is > TemperatureScaling.MinimumTemperature and < 1);
    }

    [TestMethod]
    public void EarlyStoppingRestoresTheBestEpoch()
    {
        var mlContext = new MLContext(1);
        IDataView data = Fitted.View(mlContext, Shapes.Pixels(90));
        IDataView validation = Fitted.View(mlContext, Shapes.Pixels(30, seed: 4));
        using var model = Fitted.Model(mlContext, data, options =>
        {
            options.Epoch = 40;
            options.ValidationSet = validation;
            options.EarlyStoppingCriteria = new EarlyStopping(Patience: 2, MinDelta: 0);
        });

        Assert.IsLessThan(40, model.History.Count);
        double best = model.History.Max(epoch => epoch.ValidationAccuracy);
        Assert.AreEqual(best, mlContext.MulticlassClassification.Evaluate(model.Transform(validation)).MicroAccuracy, 1e-9);
    }

    [TestMethod]
    [DataRow(false, false, DisplayName = "plain")]
    [DataRow(true, false, DisplayName = "with a checkpoint, whose best model has a temperature")]
    [DataRow(true, true, DisplayName = "with a checkpoint and early stopping")]
    public void EachEpochsValidationImagesGoThroughTheNetworkOnce(bool checkpoint, bool earlyStopping)
    {
        const int TrainingImages = 30, ValidationImages = 21, Epochs = 4;
        using var folder = new TemporaryFolder();
        CountingNetwork.Register();
        var mlContext = new MLContext(1);
        IDataView data = Fitted.View(mlContext, Shapes.Pixels(TrainingImages));
        IDataView validation = Fitted.View(mlContext, Shapes.Pixels(ValidationImages, seed: 4));
        CountingNetwork.Images = 0;

        using var model = Fitted.Model(mlContext, data, options =>
        {
            (options.Arch, options.Epoch, options.Method) = (CountingNetwork.Name, Epochs, SharpnessAwareMethod.Standard);
            options.ValidationSet = validation;
            options.CheckpointPath = checkpoint ? folder.File("run.ckpt") : null;
            options.EarlyStoppingCriteria = earlyStopping ? new EarlyStopping(Patience: Epochs, Metric: EarlyStoppingMetric.Loss) : null;
        });

        int probe = checkpoint ? 1 : 0;     // what the untrained network says of one image is part of a training's fingerprint
        // with the restored weights
        int again = earlyStopping && BestEpoch.Of(model.History, EarlyStoppingMetric.Loss).Epoch < Epochs ? 1 : 0;
        Assert.AreEqual(Epochs * TrainingImages + (Epochs + again) * ValidationImages + probe, CountingNetwork.Images);
    }

    [TestMethod]
    public void TheTemperatureIsThatOfTheRestoredWeights()
    {
        ScriptedNetwork.Register([0.5, 0.75, 0.5]);
        var mlContext = new MLContext(1);
        IDataView validation = ScriptedNetwork.Rows(mlContext);

        using var stopped = Fitted.Model(mlContext, validation, options =>
        {
            ScriptedNetwork.Configure(options, validation, epochs: 3);
            options.EarlyStoppingCriteria = new EarlyStopping(Patience: 100);
        });
        using var short2 = Fitted.Model(mlContext, validation, options => ScriptedNetwork.Configure(options, validation, epochs: 2));

        Assert.AreEqual(short2.Temperature, stopped.Temperature);
        Assert.AreNotEqual(1.0, stopped.Temperature);
    }
}
