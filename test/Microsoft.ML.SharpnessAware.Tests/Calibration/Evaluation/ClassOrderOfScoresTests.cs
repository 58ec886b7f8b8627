using Microsoft.ML.Data;
using Microsoft.ML.Trainers;
using static Microsoft.ML.SharpnessAware.Tests.Calibration.CalibratorFits;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>Classes in another order than the label's, and other classes: what once gave an accuracy of 0 without a word.</summary>
[TestClass]
public sealed class ClassOrderOfScoresTests
{
    private static readonly string[] CatDog = ["cat", "dog"];
    private static readonly string[] DogCat = ["dog", "cat"];
    private static readonly string[] CatFox = ["cat", "fox"];

    private readonly MLContext _mlContext = new(seed: 1);

    /// <summary>Two cats and a dog, of which the model is sure.</summary>
    [TestMethod]
    [DynamicData(nameof(SameClasses))]
    public void LabelsOfAnotherOrderAreMatchedByName(object labels, object scores)
    {
        IDataView scored = CatsAndDogs(labels, scores);

        MulticlassCalibrationMetrics metrics = _mlContext.MulticlassClassification.EvaluateCalibration(scored);

        Assert.AreEqual(1.0, metrics.Accuracy);
        Assert.AreEqual(-(Math.Log(.97) + Math.Log(.96) + Math.Log(.92)) / 3, metrics.LogLoss, 1e-6);
        CollectionAssert.AreEqual(new[] { $"{First(scores)}", $"{Second(scores)}" }, metrics.PerClass.Select(c => c.ClassName).ToArray());
        CollectionAssert.AreEqual(new long[] { 2, 1 }, metrics.PerClass.Select(c => c.Count).ToArray());
    }

    public static IEnumerable<object[]> SameClasses { get; } =
    [
        [CatDog, CatDog], [DogCat, CatDog], [DogCat, new[] { "cat", "dog", "eel" }[..2]],
        [new[] { 3, 7 }, new[] { 7, 3 }], [new[] { 7f, .5f }, new[] { .5f, 7f }], [new[] { 3, 7 }, new[] { 7f, 3f }],
        [new[] { 3, 7 }, new[] { "7", "3" }], [new[] { "7", "3" }, new[] { 3, 7 }],
    ];

    [TestMethod]
    public void TheReportShowsTheRightClasses()
    {
        using TemporaryFolder folder = new();
        string path = Path.Combine(folder.Path, "report.html");
        new CalibrationReport(_mlContext).Add("m", CatsAndDogs(DogCat, CatDog)).SaveHtml(path);
        string page = File.ReadAllText(path);
        Assert.DoesNotContain("Most confident wrong predictions", page);
        Assert.Contains("is right in 100.0 %", page);
    }

    [TestMethod]
    public void EveryCalibratorIsFittedOnTheClassesThatTheNamesSay()
    {
        ScoredRows rows = ScoredRows.Confused(300);
        uint[] keyOf = [2, 3, 1];
        IDataView inOrder = View(["a", "b", "c"], [.. rows.Labels.Select(label => (uint)label + 1)]);
        IDataView reordered = View(["c", "a", "b"], [.. rows.Labels.Select(label => keyOf[label])]);
        foreach (string sort in new[] { "Temperature", "Vector", "Isotonic", "Dirichlet" })
            CollectionAssert.AreEqual(Parameters(Estimator(sort).Fit(inOrder).Calibrator),
                Parameters(Estimator(sort).Fit(reordered).Calibrator), sort);

        IDataView View(string[] labels, uint[] keys) => NamedScores.View(
            _mlContext, labels, new[] { "a", "b", "c" }, [.. keys.Select((key, row) => (key, rows.Row(row)))]);
    }

    /// <summary>A calibrator of a model of classes a, b, c, and one of c, a, b whose scores are the same.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void ACalibratorFollowsTheOrderOfTheModelItIsAppliedTo(bool reloaded)
    {
        ScoredRows rows = ScoredRows.Confused(300);
        int[] order = [2, 0, 1];
        ScoredRows reordered = rows.WithClassesReordered(order);
        foreach (string sort in new[] { "Temperature", "Vector", "Isotonic", "Dirichlet" })
        {
            IDataView scored = View(rows, ["a", "b", "c"]);
            ITransformer calibrator = Estimator(sort, _mlContext).Fit(scored);
            if (reloaded)
                calibrator = Reload(calibrator, scored.Schema);

            float[][] expected = Scores(calibrator.Transform(scored));
            IDataView other = View(reordered, ["c", "a", "b"]);
            float[][] actual = Scores(calibrator.Transform(other));
            for (int row = 0; row < rows.Count; row++)
            {
                float[] same = [.. order.Select(k => expected[row][k])];
                for (int k = 0; k < 3; k++)
                    Assert.AreEqual(same[k], actual[row][k], 1e-6f, sort);
            }

            IEnumerable<string> predictions = _mlContext.Transforms.Conversion.MapKeyToValue("PredictedLabel")
                .Fit(calibrator.Transform(other)).Transform(calibrator.Transform(other)).GetColumn<string>("PredictedLabel");
            CollectionAssert.AreEqual(
                actual.Select(row => new[] { "c", "a", "b" }[Array.IndexOf(row, row.Max())]).ToArray(), predictions.ToArray(), sort);
        }
    }

    /// <summary>PredictedLabel counts its keys in another order than the scores, as MapValueToKey makes it from text.</summary>
    [TestMethod]
    public void ThePredictedLabelKeepsTheMeaningOfItsKeys()
    {
        IDataView scored = NamedScores.View(_mlContext, CatDog, CatDog, DogCat, (1, [.9f, .1f]), (2, [.2f, .8f]), (1, [.7f, .3f]),
            (2, [.6f, .4f]));
        foreach (string sort in new[] { "Vector", "Isotonic", "Dirichlet" })
        {
            IDataView calibrated = Estimator(sort, _mlContext).Fit(scored).Transform(scored);
            CollectionAssert.AreEqual(
                Scores(calibrated).Select(row => row[1] > row[0] ? 1u : 2u).ToArray(), calibrated.GetColumn<uint>("PredictedLabel")
                    .ToArray(), sort);
        }

        IDataView other = NamedScores.View(_mlContext, CatDog, CatDog, CatFox, (1, [.9f, .1f]), (2, [.2f, .8f]));
        Assert.Contains("'PredictedLabel' is a key of other classes than the scores: column 'Score' has the class 'dog', which is none " +
            "of 'cat', 'fox'",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Estimator("Vector").Fit(other)).Message);
        Estimator("Temperature").Fit(other);        // leaves it as it is
    }

    [TestMethod]
    public void OtherClassesAreRefusedEverywhere()
    {
        IDataView fox = CatsAndDogs(CatFox, CatDog);
        const string Problem = "Label column 'Label' does not go with score column 'Score': it has the class 'fox', which is none of " +
            "'cat', 'dog'";
        AssertRefused(Problem, () => _mlContext.MulticlassClassification.EvaluateCalibration(fox));
        AssertRefused(Problem, () => new CalibrationReport(_mlContext).Add("m", fox));
        foreach (string sort in new[] { "Temperature", "Vector", "Isotonic", "Dirichlet" })
        {
            AssertRefused(Problem, () => Estimator(sort).Fit(fox));
            MulticlassCalibratorTransformer calibrator = Estimator(sort).Fit(CatsAndDogs(CatDog, CatDog));
            AssertRefused("Score column 'Score' is not of the classes that the calibrator was fitted on: it has the class 'fox'",
                () => calibrator.Transform(CatsAndDogs(CatFox, CatFox)));
        }

        AssertRefused("has the class '4'", (
            ) => _mlContext.MulticlassClassification.EvaluateCalibration(CatsAndDogs(new[] { 3, 4 }, new[] { 3, 7 })));

        static void AssertRefused(string problem, Action action) =>
            Assert.Contains(problem, Assert.ThrowsExactly<ArgumentOutOfRangeException>(action).Message);
    }

    /// <summary>Validation images of some classes only, mapped to keys by themselves.</summary>
    [TestMethod]
    public void ALabelMayLackClasses()
    {
        IDataView scored = NamedScores.View(_mlContext, new[] { "eel", "cat" }, new[] { "cat", "dog", "eel" }, (1, [.1f, .2f, .7f]),
            (2, [.8f, .1f, .1f]));
        MulticlassCalibrationMetrics metrics = _mlContext.MulticlassClassification.EvaluateCalibration(scored);
        Assert.AreEqual(1.0, metrics.Accuracy);
        CollectionAssert.AreEqual(new long[] { 1, 0, 1 }, metrics.PerClass.Select(c => c.Count).ToArray());
        Assert.AreEqual(3, Estimator("Vector").Fit(scored).Calibrator.NumberOfClasses);
    }

    [TestMethod]
    public void WithoutNamesKeysAreScores()
    {
        foreach ((object labels, object scores) in new (object, object)[] { (2, 2), (CatDog, 2), (2, CatDog), (CatDog, new[] { "", "" }) })
        {
            MulticlassCalibrationMetrics metrics = _mlContext.MulticlassClassification.EvaluateCalibration(
                NamedScores.View(_mlContext, labels, scores, (1, [.8f, .2f]), (2, [.3f, .7f])));
            Assert.AreEqual(1.0, metrics.Accuracy);
            Assert.AreEqual(labels is 2 && scores is 2 ? "0" : "cat", metrics.PerClass[0].ClassName);
        }

        IDataView tooMany = NamedScores.View(_mlContext, 3, 2, (1, [.8f, .2f]));
        Assert.Contains("'Label' has 3 keys, but score column 'Score' 2 scores", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _mlContext.MulticlassClassification.EvaluateCalibration(tooMany)).Message);
    }

    /// <summary>A label from a MapValueToKey of its own, with text and with numbers, against ML.NET's trainers.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void ScoresOfMLNetTrainersAreMatched(bool numbers)
    {
        string label = numbers ? "Number" : "Name";
        IDataView training = Examples.Data(_mlContext, 200, label: label), test = Examples.Data(_mlContext, 100, seed: 9, label: label);
        var trainers = _mlContext.MulticlassClassification.Trainers;
        IEstimator<ITransformer>[] estimators =
        [
            trainers.LbfgsMaximumEntropy(),
            trainers.SdcaMaximumEntropy(new SdcaMaximumEntropyMulticlassTrainer.Options { NumberOfThreads = 1 }),
            trainers.LightGbm(numberOfIterations: 5),
            trainers.OneVersusAll(_mlContext.BinaryClassification.Trainers.LbfgsLogisticRegression(), useProbabilities: true),
            trainers.PairwiseCoupling(_mlContext.BinaryClassification.Trainers.LbfgsLogisticRegression()),
        ];
        IDataView reversed = numbers
            ? _mlContext.Data.LoadFromEnumerable(new[] { 30, 20, 10 }.Select(number => new { Number = number }))
            : _mlContext.Data.LoadFromEnumerable(new[] { "low", "left", "high" }.Select(name => new { Name = name }));
        foreach (IEstimator<ITransformer> estimator in estimators)
        {
            IDataView scored = estimator.Fit(training).Transform(test);
            IDataView remapped = _mlContext.Transforms.Conversion.MapValueToKey("Label", label, keyData: reversed)
                .Fit(test).Transform(scored);

            MulticlassCalibrationMetrics expected = _mlContext.MulticlassClassification.EvaluateCalibration(scored);
            MulticlassCalibrationMetrics actual = _mlContext.MulticlassClassification.EvaluateCalibration(remapped);

            Assert.AreEqual(expected.ToString(), actual.ToString(), estimator.GetType().Name);
            CollectionAssert.AreEqual(numbers ? ["10", "20", "30"] : new[] { "high", "left", "low" },
                actual.PerClass.Select(c => c.ClassName).ToArray(), estimator.GetType().Name);
            CollectionAssert.AreEqual(Parameters(Estimator("Vector").Fit(scored).Calibrator),
                Parameters(Estimator("Vector").Fit(remapped).Calibrator));
        }
    }

    private IDataView CatsAndDogs(object labels, object scores)
    {
        // Where the label's keys stand in another order, key 2 is the cat.
        bool same = $"{First(labels)}" == $"{First(scores)}";
        (uint cat, uint dog) = same ? (1u, 2u) : (2u, 1u);
        return NamedScores.View(_mlContext, labels, scores, (cat, [.97f, .03f]), (cat, [.96f, .04f]), (dog, [.08f, .92f]));
    }

    private IDataView View(ScoredRows rows, string[] classes) => NamedScores.View(
        _mlContext, classes, classes, [.. rows.Labels.Select((label, row) => ((uint)label + 1, rows.Row(row)))]);

    private ITransformer Reload(ITransformer model, DataViewSchema schema)
    {
        using MemoryStream stream = new();
        _mlContext.Model.Save(model, schema, stream);
        stream.Position = 0;
        return new MLContext(1).Model.Load(stream, out _);
    }

    private static float[][] Scores(IDataView view) => [.. view.GetColumn<float[]>("Score")];

    private static object First(object classes) => ((Array)classes).GetValue(0)!;

    private static object Second(object classes) => ((Array)classes).GetValue(1)!;
}
