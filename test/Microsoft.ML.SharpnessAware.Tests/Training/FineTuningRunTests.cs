using System.Globalization;
using System.Text.RegularExpressions;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>The whole network after the head, on tiny pictures: what is tried, compared and returned.</summary>
[TestClass]
public sealed class FineTuningRunTests
{
    [TestMethod]
    public void AutoTriesEachKindAndSaysWhatItChose()
    {
        (SharpnessAwareImageClassificationTransformer model, List<string> log) = Fit(options => options.TimeBudget = TimeSpan.FromHours(1));
        using (model)
        {
            AssertLogged(log, "Gentle in large steps for 8 epochs, then Gentle for 8 epochs, then Full for 10 epochs");
            AssertLogged(log, "Gentle in large steps: ");
            AssertLogged(log, "Gentle: accuracy");
            AssertLogged(log, "Full: accuracy");
            Assert.IsFalse(log.Any(message => message.Contains("clock", StringComparison.Ordinal)), "time was ample");
            Assert.IsTrue(double.IsFinite(model.Temperature));
            bool headWon = log.Any(message => message.Contains("the head is the model", StringComparison.Ordinal));
            Assert.AreEqual(headWon, model.History.Count == 1, "the model's history is that of what was chosen");
        }
    }

    /// <summary>What is worth trying is decided before the clock can tell, and so by an estimate that knows a GPU.</summary>
    [TestMethod]
    public void OnAGpuTheWholeNetworkIsTriedOnManyMorePictures()
    {
        Assert.IsTrue(IsTriedOn(20_000, new Device("cuda:0")));
        Assert.IsFalse(IsTriedOn(200_000, new Device("cuda:0")));
        Assert.IsTrue(IsTriedOn(500, CPU));
        Assert.IsFalse(IsTriedOn(10_000L * get_num_threads(), CPU));

        static bool IsTriedOn(long pictures, Device device)
        {
            const double Cost = 0.6e9;      // ResNet-18 at 128×128
            return FineTuningCandidate.Within(
                new(), TimeSpan.FromMinutes(5), pictures * FineTuningRun.SecondsOfOneImage(Cost, device)).Count > 0;
        }
    }

    [TestMethod]
    public void TheLogWarnsOfARadiusForTrainingsFromScratch()
    {
        (SharpnessAwareImageClassificationTransformer model, List<string> log) = Fit(options =>
            (options.FineTuning, options.Method, options.Epoch) = (FineTuning.Gentle, SharpnessAwareMethod.Csam(), 1));
        using (model)
            AssertLogged(log, "leave Method unset, or give it ρ = 0.01");
    }

    /// <summary>Which is what <c>options.BaseOptimizer with { … }</c> makes of the default.</summary>
    [TestMethod]
    public void TheLogWarnsOfAnSgdForTrainingsFromScratch()
    {
        (SharpnessAwareImageClassificationTransformer model, List<string> log) = Fit(options =>
        {
            (options.FineTuning, options.Epoch) = (FineTuning.Gentle, 1);
            options.BaseOptimizer = options.BaseOptimizer with { DecayBiasAndNorm = true };
        });
        using (model)
            AssertLogged(log, "BaseOptimizer is SGD with learning rate 0.05, which suits a training from scratch");
    }

    /// <summary>As the options of an ML.NET script have them, and more so: the time is left to what comes after.</summary>
    [TestMethod]
    public void TheLogWarnsOfALearningRateForTrainingsFromScratchAndThreeEpochsOfItAreEnough()
    {
        (SharpnessAwareImageClassificationTransformer model, List<string> log) = Fit(options =>
            (options.LearningRate, options.Epoch, options.TimeBudget) = (0.3, 5, TimeSpan.FromHours(1)));
        using (model)
        {
            AssertLogged(log, "leave LearningRate unset, or give it 0.001 to 0.003.");
            AssertLogged(log, "Gentle: given up, since in 3 of 5 epochs");
        }
    }

    /// <summary>Each step is a minute, and six of them an epoch.</summary>
    [TestMethod]
    [DataRow(40, null, "without a climb instead of 8")]
    [DataRow(12, 4, "allows 0 epochs instead of 4")]
    public void TheClockEndsWhatWouldTakeTooLongAndTheLogSaysSo(int minutes, int? epochs, string words)
    {
        (SharpnessAwareImageClassificationTransformer model, List<string> log) = Fit(options =>
        {
            options.TimeBudget = TimeSpan.FromMinutes(minutes);
            options.Clock = new SteppingClock(TimeSpan.FromMinutes(1));
            options.BatchSize = 4;
            if (epochs is int given)
                options.Epoch = given;
        });
        using (model)
        {
            AssertLogged(log, words);
            AssertLogged(log, "decided by the clock");
            AssertLogged(log, $"of {minutes} minutes.");
            AssertLogged(log, "Gentle");
            Assert.IsTrue(State(model).Values.All(values => values.All(float.IsFinite)));
        }
    }

    /// <summary>Each step is a minute, and three of them an epoch, of which the plan knows nothing: after the first training there are 34
    /// minutes.</summary>
    [TestMethod]
    public void ThatALaterTrainingGetsFewerEpochsThanWerePlannedIsLogged()
    {
        (SharpnessAwareImageClassificationTransformer model, List<string> log) = Fit(options =>
        {
            (options.TimeBudget, options.Clock) = (TimeSpan.FromMinutes(61), new SteppingClock(TimeSpan.FromMinutes(1)));
            (options.BaseOptimizer, options.BatchSize) = (new BaseOptimizer.AdamW(1e-12), 8);   // as good as the head: never given up
        });
        model.Dispose();
        AssertLogged(log, "Gentle for 8 epochs, then Full for 10 epochs.");
        AssertLogged(log, "Epoch 9/9 (Full)");
        AssertLogged(log, "Full for 9 epochs instead of 10. This was decided by the clock");
    }

    /// <summary>There is time for three epochs by the estimate, of which each takes a thousandth.</summary>
    [TestMethod]
    public void ThatATrainingIsTriedWhichWasNotPlannedIsLogged()
    {
        (SharpnessAwareImageClassificationTransformer head, _) = Fit(options => options.FineTuning = FineTuning.HeadOnly);
        double seconds;
        using (head)
            seconds = 30 * FineTuningRun.SecondsOfOneImage(NetworkCost.OfOneImage(head.Classifier), CPU);
        (SharpnessAwareImageClassificationTransformer model, List<string> log) = Fit(options =>
        {
            options.TimeBudget = TimeSpan.FromSeconds(3 * seconds);
            options.Clock = new SteppingClock(TimeSpan.FromSeconds(seconds / 1000));
            (options.BaseOptimizer, options.Epoch) = (new BaseOptimizer.AdamW(1e-12), 2);
        });
        model.Dispose();
        AssertLogged(log, "Gentle for 2 epochs.");
        AssertLogged(log, "Full for 2 epochs, which the estimate had left out. This was decided by the clock");
    }

    /// <summary>Twenty people, of whom three pictures lie next to each other, all the same, and nothing else tells the class: a network
    /// that has seen them is right about all, and of a stranger knows nothing.</summary>
    [TestMethod]
    public void TheWholeNetworkIsComparedOnPicturesThatFollowEachOther()
    {
        const int People = 20, Each = 3;
        var random = new Random(5);
        List<EncodedRow> rows = [];
        for (int person = 0; person < People; person++)
        {
            byte[] pixels = new byte[Shapes.Size * Shapes.Size];
            random.NextBytes(pixels);
            rows.AddRange(Enumerable.Range(0, Each)
                .Select(_ => new EncodedRow { Label = person % 2 == 0 ? "even" : "odd", Image = Shapes.Png(pixels) }));
        }

        (SharpnessAwareImageClassificationTransformer model, List<string> log) =
            Fit(options => (options.FineTuning, options.Epoch) = (FineTuning.Gentle, 1), rows);
        model.Dispose();
        Match compared = log.Select(message => Regex.Match(message, @"on 12 images set aside, where the head has .* and ([0-9.]+)\."))
            .Single(match => match.Success);
        Assert.IsGreaterThan(0.5, double.Parse(compared.Groups[1].Value, CultureInfo.InvariantCulture), compared.Value);
    }

    [TestMethod]
    public void NoTimeIsTheHeadAlone()
    {
        (SharpnessAwareImageClassificationTransformer model, List<string> log) =
            Fit(options => options.TimeBudget = TimeSpan.FromMilliseconds(1));
        using (model)
        {
            AssertLogged(log, "nothing is worth trying within TimeBudget");
            Assert.HasCount(1, model.History);
        }
    }

    /// <summary>Of floats below 0 nothing says what is white. Auto does without colours, since the head may be the model anyway.</summary>
    [TestMethod]
    [DataRow(-1f, FineTuning.Auto, true)]
    [DataRow(-1f, FineTuning.Gentle, null)]
    [DataRow(0f, FineTuning.Auto, false)]
    public void ColoursOfUnknownUnitsAreLeftOutOrRefused(float least, FineTuning fineTuning, bool? areLeftOut)
    {
        var mlContext = new MLContext(1);
        IDataView data = Fitted.View(mlContext, Shapes.Floats(30).Select(row => new FloatRow
        {
            Label = row.Label, Image = Array.ConvertAll(row.Image, pixel => least == 0 ? 10 * pixel : least + (2 * pixel)),
        }));
        using var folder = new TemporaryFolder();
        string path = folder.File("floats.zip");
        using (SharpnessAwareImageClassificationTransformer before = Fitted.Model(mlContext, data))
            mlContext.Model.Save(before, data.Schema, path);
        var warnings = new List<string>();
        mlContext.Log += (_, e) => warnings.Add(e.Kind == Runtime.ChannelMessageKind.Warning ? e.Message : "");
        SharpnessAwareImageClassificationTransformer Fit() => Fitted.Model(mlContext, data, options =>
        {
            (options.InitialWeights, options.FineTuning, options.LeastToCompareOn) = (path, fineTuning, 6);
            (options.ValidationSetFraction, options.Epoch, options.TimeBudget) = (null, 2, TimeSpan.FromMinutes(1));
            options.Augmentation = new Augmentation { ColorJitter = new(Brightness: 0.2) };
        });
        if (areLeftOut is null)
        {
            StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(Fit).Message, "The float pixels run from -1 to ");
            return;
        }

        Fit().Dispose();
        Assert.AreEqual(areLeftOut, warnings.Any(warning => warning.Contains("no colours are changed", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void AFewImagesCannotDecide()
    {
        (SharpnessAwareImageClassificationTransformer model, List<string> log) = Fit(options => options.LeastToCompareOn = 7);
        using (model)
        {
            AssertLogged(log, "6 images are too few to tell");
            Assert.HasCount(1, model.History);
        }
    }

    [TestMethod]
    public void GentleLeavesBatchNormAsItWasAndMovesTheRest()
    {
        (SharpnessAwareImageClassificationTransformer head, _) = Fit(options => options.FineTuning = FineTuning.HeadOnly);
        (SharpnessAwareImageClassificationTransformer gentle, List<string> log) =
            Fit(options => (options.FineTuning, options.Epoch) = (FineTuning.Gentle, 1));
        AssertLogged(log, "The whole network's temperature is fitted on the 6 images set aside. Fewer than 100 say little");
        using (head)
        using (gentle)
        {
            Assert.HasCount(1, gentle.History);
            Assert.AreEqual(SharpnessAwareMethod.Standard, head.Method);
            Assert.AreEqual(SharpnessAwareMethod.Csam(0.01), gentle.Method);
            Dictionary<string, float[]> before = State(head), after = State(gentle);
            foreach (string name in before.Keys)
            {
                bool isNorm = name.Contains("bn", StringComparison.Ordinal) || name.Contains("downsample.1", StringComparison.Ordinal);
                Assert.AreEqual(isNorm, before[name].SequenceEqual(after[name]), name);
            }
        }
    }

    /// <summary>With a set to validate on, that head, too, is trained on all of the other images.</summary>
    [TestMethod]
    public void GentleBeginsWithTheHeadOverItsTemperature()
    {
        IDataView validation = Fitted.View(new MLContext(1), Shapes.Encoded(12, seed: 3));
        (SharpnessAwareImageClassificationTransformer head, _) = Fit(options => options.FineTuning = FineTuning.HeadOnly);
        (SharpnessAwareImageClassificationTransformer gentle, _) = Fit(options =>
            (options.FineTuning, options.Epoch, options.BaseOptimizer, options.ValidationSet) =
                (FineTuning.Gentle, 1, new BaseOptimizer.AdamW(1e-12), validation));
        using (head)
        using (gentle)
        {
            Assert.IsGreaterThan(0.1, Math.Abs(Math.Log(head.Temperature)), "it would not show");
            Dictionary<string, float[]> of = State(head), after = State(gentle);
            foreach (string name in new[] { "fc.weight", "fc.bias" })
            {
                for (int i = 0; i < of[name].Length; i++)
                    Assert.AreEqual(of[name][i] / head.Temperature, after[name][i], 1e-5, name);
            }

            using SharpnessAwareImageClassificationTransformer raw = gentle.WithTemperature(1);
            var fitted = (TemperatureCalibrator)new MLContext(1).MulticlassClassification.Calibrators.Temperature()
                .Fit(raw.Transform(validation)).Calibrator;
            Assert.AreEqual(fitted.Temperature, gentle.Temperature, 1e-3);
            Assert.AreNotEqual(1, gentle.Temperature, 0.01, "it would not show");
            Assert.AreNotEqual(head.Temperature, gentle.Temperature, 0.01, "its logits are the head's over that temperature already");
        }
    }

    /// <summary>Square pictures: a crop has the middle half of their rows, a stretched picture all of them.</summary>
    [TestMethod]
    [DataRow(FineTuning.HeadOnly)]
    [DataRow(FineTuning.Gentle)]
    public void PicturesAreResizedInTheSameWayForTheHeadTheWholeNetworkAndScoring(FineTuning kind)
    {
        var mlContext = new MLContext(1);
        IDataView validation = Fitted.View(mlContext, Shapes.Encoded(12, seed: 3));
        (SharpnessAwareImageClassificationTransformer model, _) = Fit(options =>
        {
            (options.Resizing, options.ImageWidth, options.ImageHeight) = (ResizingKind.IsoCrop, 64, 32);
            (options.FineTuning, options.ValidationSet, options.Calibration) = (kind, validation, ProbabilityCalibration.None);
            if (kind == FineTuning.Gentle)
                options.Epoch = 1;
        });
        using (model)
        {
            Assert.AreEqual(ResizingKind.IsoCrop, model.Classifier.Resizing);
            double logLoss = mlContext.MulticlassClassification.EvaluateCalibration(model.Transform(validation)).LogLoss;
            Assert.AreEqual(logLoss, model.History[^1].ValidationLogLoss, 1e-3);
        }
    }

    /// <summary>Some labels are wrong: where all is right and sure, log loss and calibration error are the same number.</summary>
    [TestMethod]
    public void TheHistoryOfAHeadSaysWhatItIsBeforeItsTemperature()
    {
        var mlContext = new MLContext(1);
        List<EncodedRow> rows = Shapes.Encoded(24, seed: 3);
        for (int i = 0; i < rows.Count; i += 5)
            rows[i].Label = Shapes.Names[(i + 1) % 3];
        IDataView validation = Fitted.View(mlContext, rows);
        (SharpnessAwareImageClassificationTransformer model, _) =
            Fit(options => (options.FineTuning, options.ValidationSet) = (FineTuning.HeadOnly, validation));
        using (model)
        using (SharpnessAwareImageClassificationTransformer raw = model.WithTemperature(1))
        {
            MulticlassCalibrationMetrics before = mlContext.MulticlassClassification.EvaluateCalibration(raw.Transform(validation)),
                after = mlContext.MulticlassClassification.EvaluateCalibration(model.Transform(validation));
            Assert.AreNotEqual(after.LogLoss, before.LogLoss, 0.01, "it would not show");
            EpochMetrics said = model.History.Single();
            Assert.AreEqual(before.Accuracy, said.ValidationAccuracy, 1e-9);
            Assert.AreEqual(before.LogLoss, said.ValidationLogLoss, 1e-3);
            Assert.AreEqual(before.ExpectedCalibrationError, said.ValidationExpectedCalibrationError, 1e-3);
        }
    }

    [TestMethod]
    public void CriteriaToStopEarlyLeaveTheWholeNetworkAllOfItsEpochs()
    {
        (SharpnessAwareImageClassificationTransformer model, _) = Fit(options =>
        {
            (options.FineTuning, options.Epoch) = (FineTuning.Gentle, 4);
            options.EarlyStoppingCriteria = new EarlyStopping(Patience: 1, MinDelta: 1e9);      // nothing is an improvement
        });
        using (model)
            Assert.HasCount(4, model.History);
    }

    [TestMethod]
    public void WithoutCalibrationTheHeadIsAsItWasFitted()
    {
        (SharpnessAwareImageClassificationTransformer plain, _) = Fit(options =>
            (options.FineTuning, options.Calibration) = (FineTuning.HeadOnly, ProbabilityCalibration.None));
        (SharpnessAwareImageClassificationTransformer calibrated, _) = Fit(options => options.FineTuning = FineTuning.HeadOnly);
        using (plain)
        using (calibrated)
        {
            Assert.AreEqual(1, plain.Temperature);
            Assert.AreNotEqual(1, calibrated.Temperature);
            CollectionAssert.AreEqual(State(plain)["fc.weight"], State(calibrated)["fc.weight"]);
        }
    }

    [TestMethod]
    public void ACandidateThatDivergesIsPassedOver()
    {
        (SharpnessAwareImageClassificationTransformer model, List<string> log) = Fit(options =>
            (options.TimeBudget, options.BaseOptimizer, options.Schedule) =
                (TimeSpan.FromHours(1), new BaseOptimizer.Sgd(1e20), new LearningRateSchedule.Constant()));
        using (model)
        {
            AssertLogged(log, "the head is the model");
            Assert.IsTrue(log.Any(message => message.Contains("Kind=Warning", StringComparison.Ordinal)
                && message.Contains("Gentle: Training diverged", StringComparison.Ordinal)), string.Join(Environment.NewLine, log));
            Assert.IsTrue(State(model).Values.All(values => values.All(float.IsFinite)));
        }
    }

    [TestMethod]
    public void TheCallbackIsToldWhatAnEpochIsOf()
    {
        List<EpochMetrics> seen = [];
        (SharpnessAwareImageClassificationTransformer model, List<string> log) = Fit(options =>
            (options.TimeBudget, options.Epoch, options.MetricsCallback) = (TimeSpan.FromHours(1), 2, seen.Add));
        using (model)
        {
            string?[] phases = [.. seen.Select(epoch => epoch.Phase).Distinct()];
            CollectionAssert.AreEqual(new[] { "Gentle in large steps", "Gentle", "Full" }, phases[..3]);
            foreach (IGrouping<string?, EpochMetrics> phase in seen.GroupBy(epoch => epoch.Phase).Where(phase => phase.Key != "head"))
                CollectionAssert.AreEqual(new[] { 1, 2 }, phase.Select(epoch => epoch.Epoch).ToArray(), phase.Key);
            Assert.AreEqual(model.History.Count == 1, phases.Contains("head"), "it is reported where it is the model");
            AssertLogged(log, "Epoch 2/2 (Gentle in large steps): train loss");
            Assert.IsTrue(model.History.All(epoch => epoch.Phase is null));
        }

        seen.Clear();
        Fit(options => (options.FineTuning, options.MetricsCallback) = (FineTuning.HeadOnly, seen.Add)).Model.Dispose();
        Assert.AreEqual("head", seen.Single().Phase);
        seen.Clear();
        Fit(options => (options.FineTuning, options.Epoch, options.MetricsCallback) = (FineTuning.Full, 1, seen.Add)).Model.Dispose();
        Assert.IsNull(seen.Single().Phase, "there is one part");
    }

    [TestMethod]
    public void CancellingEndsIt()
    {
        using var cancellation = new CancellationTokenSource();
        int epochs = 0;
        Assert.ThrowsExactly<OperationCanceledException>(() => Fit(options =>
        {
            options.FineTuning = FineTuning.Gentle;
            options.CancellationToken = cancellation.Token;
            options.MetricsCallback = _ =>
            {
                epochs++;
                cancellation.Cancel();
            };
        }));
        Assert.AreEqual(1, epochs);
    }

    private static Dictionary<string, float[]> State(SharpnessAwareImageClassificationTransformer model)
    {
        using DisposeScope scope = NewDisposeScope();
        return model.Classifier.Network.state_dict().Where(entry => entry.Value.is_floating_point())
            .ToDictionary(entry => entry.Key, entry => entry.Value.detach().contiguous().reshape(-1).data<float>().ToArray());
    }

    private static (SharpnessAwareImageClassificationTransformer Model, List<string> Log) Fit(
        Action<SharpnessAwareImageClassificationTrainer.Options> change, IReadOnlyList<EncodedRow>? rows = null)
    {
        var mlContext = new MLContext(1);
        var log = new List<string>();
        mlContext.Log += (_, e) => log.Add(e.Message);
        var options = new SharpnessAwareImageClassificationTrainer.Options
        {
            FeatureColumnName = "Image",
            ImageWidth = 32,
            ImageHeight = 32,
            LeastToCompareOn = 6,
            Device = "cpu",
        };
        change(options);
        IDataView data = Fitted.View(mlContext, rows ?? Shapes.Encoded(30, seed: 2));
        return (mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options).Fit(data), log);
    }

    private static void AssertLogged(List<string> log, string words) =>
        Assert.IsTrue(log.Any(message => message.Contains(words, StringComparison.Ordinal)), string.Join(Environment.NewLine, log));
}
