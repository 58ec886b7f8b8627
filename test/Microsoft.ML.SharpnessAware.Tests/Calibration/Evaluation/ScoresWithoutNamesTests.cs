using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>Scores of other programs: without class names, or with those of a file's header.</summary>
[TestClass]
public sealed class ScoresWithoutNamesTests
{
    private static readonly string[] DogCat = ["dog", "cat"];

    private readonly MLContext _mlContext = new(seed: 1);
    private readonly List<string> _warnings = [];

    [TestInitialize]
    public void Listen() => _mlContext.Log += (_, log) =>
    {
        if (log.Kind == Microsoft.ML.Runtime.ChannelMessageKind.Warning && log.RawMessage.Contains(" = '", StringComparison.Ordinal))
            _warnings.Add(log.RawMessage);
    };

    [TestMethod]
    public void ScoresWithoutNamesBesideALabelWithNamesAreTakenInOrderWithAWarning()
    {
        AssertEachWarnsOnce(Rows(DogCat, 2), "The scores in 'Score' have no class names; they are taken as those of label column 'Label' " +
            "in order: score 0 = 'dog', score 1 = 'cat'. If they are not, make the label by MapValueToKey with the classes in the order " +
            "of the scores as keyData.");
    }

    [TestMethod]
    public void ALabelWithoutNamesBesideScoresWithNamesIsTakenInOrderWithAWarning() =>
        AssertEachWarnsOnce(Rows(2, DogCat), "The keys in label column 'Label' have no class names; they are taken as those of 'Score' " +
            "in order: key 1 = 'dog', key 2 = 'cat'. If they are not, make the label by MapValueToKey of the names.");

    [TestMethod]
    public void WhereBothSidesHaveNamesOrNeitherHasThereIsNothingToWarnOf()
    {
        foreach (IDataView rows in new[] { Rows(DogCat, DogCat), Rows(2, 2) })
        {
            foreach ((_, Action act) in Uses(rows))
                act();
        }

        Assert.IsEmpty(_warnings);
    }

    /// <summary>Of many classes only the first are shown.</summary>
    [TestMethod]
    public void AWarningOfManyClassesStaysShort()
    {
        float[] scores = [1, .. new float[99]];
        _mlContext.MulticlassClassification.EvaluateCalibration(NamedScores.View(_mlContext,
            Enumerable.Range(0, 100).Select(k => $"class {k}").ToArray(), 100, (1, scores)));
        Assert.Contains("score 9 = 'class 9', …. If", _warnings.Single());
    }

    /// <summary>A header "Score.cat" names the slots so, and the classes are "cat" and "dog".</summary>
    [TestMethod]
    public void ScoresOfTheToolsOwnFileAreThoseOfItsClasses()
    {
        using TemporaryFolder folder = new();
        IDataView scored = Loaded(folder, "Label,Score.cat,Score.dog", "Score");

        MulticlassCalibrationMetrics metrics = _mlContext.MulticlassClassification.EvaluateCalibration(scored);
        Assert.AreEqual(0.9, metrics.Accuracy);
        CollectionAssert.AreEqual(new[] { "cat", "dog" }, metrics.PerClass.Select(each => each.ClassName).ToArray());
        foreach ((_, Action act) in Uses(scored))
            act();

        MulticlassCalibratorTransformer calibrator = _mlContext.MulticlassClassification.Calibrators.Vector().Fit(scored);
        PredictionSetTransformer sets = _mlContext.MulticlassClassification.Decisions.PredictionSets(coverage: 0.8).Fit(scored);
        IDataView decided = sets.Transform(calibrator.Transform(scored));
        CollectionAssert.AreEqual(new[] { "cat", "dog" }, KeyValues(decided.Schema["PredictedLabel"]));
        CollectionAssert.AreEqual(new[] { "cat", "dog" }, KeyValues(decided.Schema["PredictionSet"]));
        Assert.AreEqual(0.9, _mlContext.MulticlassClassification.EvaluateCalibration(decided).Accuracy);
        Assert.IsEmpty(_warnings);
    }

    [TestMethod]
    [DataRow("p", "Label,p.cat,p.dog")]
    [DataRow("p", "Label,Score.cat,Score.dog")]
    [DataRow("Score", "Label,cat,dog")]
    public void SlotsMayHaveTheNameOfTheirColumnInFront(string column, string header)
    {
        using TemporaryFolder folder = new();
        Assert.AreEqual(0.9, _mlContext.MulticlassClassification.EvaluateCalibration(
            Loaded(folder, header, column), scoreColumnName: column).Accuracy);
    }

    [TestMethod]
    public void SlotsThatAreNoClassesAreRefusedWithWhereTheirNamesComeFrom()
    {
        using TemporaryFolder folder = new();
        IDataView scored = Loaded(folder, "Label,p_cat,p_dog", "Score");
        string message = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _mlContext.MulticlassClassification.EvaluateCalibration(scored)).Message;
        Assert.Contains("it has the class 'dog', which is none of 'p_cat', 'p_dog'. These names come from the slots of 'Score' (the " +
            "header of a file, or the inputs of Concatenate), and must be the names of the classes, or these with 'Score.' in front.",
            message);
        Assert.DoesNotContain("the model was trained with", message);
    }

    /// <summary>Softmax of probabilities makes nearly equal ones.</summary>
    [TestMethod]
    public void ProbabilitiesThatAreCalledLogitsAreTakenWithAWarning()
    {
        List<string> warnings = [];
        _mlContext.Log += (_, log) =>
        {
            if (log.Kind == Microsoft.ML.Runtime.ChannelMessageKind.Warning && log.RawMessage.Contains("logits", StringComparison.Ordinal))
                warnings.Add(log.RawMessage);
        };
        IDataView rows = Rows(2, 2);
        MulticlassClassificationCatalog catalog = _mlContext.MulticlassClassification;
        catalog.EvaluateCalibration(rows, scoreKind: ScoreKind.Logits);
        catalog.Calibrators.Temperature(scoreKind: ScoreKind.Logits).Fit(rows);
        catalog.Decisions.PredictionSets(coverage: 0.8, scoreKind: ScoreKind.Logits).Fit(rows);
        Assert.HasCount(3, warnings);
        foreach (string warning in warnings)
            Assert.StartsWith("The scores in 'Score' are taken as logits, but each of the 100 row(s) holds probabilities (none negative, " +
                "their sum 1)", warning);

        warnings.Clear();
        IDataView logits = NamedScores.View(_mlContext, 2, 2, (1, [2, -1]), (2, [.4f, .6f]), (1, [float.NaN, 0]));
        catalog.EvaluateCalibration(logits, scoreKind: ScoreKind.Logits);
        catalog.EvaluateCalibration(rows);
        Assert.IsEmpty(warnings);
    }

    private void AssertEachWarnsOnce(IDataView rows, string expected)
    {
        foreach ((string what, Action act) in Uses(rows))
        {
            _warnings.Clear();
            act();
            CollectionAssert.AreEqual(new[] { expected }, _warnings, what);
        }
    }

    private (string What, Action Act)[] Uses(IDataView rows)
    {
        MulticlassClassificationCatalog catalog = _mlContext.MulticlassClassification;
        IDataView decided = catalog.Decisions.Abstain(accuracy: 0.6).Fit(Rows(2, 2)).Transform(rows);
        return
        [
            ("evaluator", () => catalog.EvaluateCalibration(rows)),
            ("report", () => new CalibrationReport(_mlContext).Add("m", rows)),
            ("calibrator", () => catalog.Calibrators.Temperature().Fit(rows)),
            ("sets", () => catalog.Decisions.PredictionSets(coverage: 0.8).Fit(rows)),
            ("abstention", () => catalog.Decisions.Abstain(accuracy: 0.6).Fit(rows)),
            ("evaluator of abstention", () => catalog.EvaluateAbstention(decided)),
        ];
    }

    /// <summary>Nine of ten rows are right.</summary>
    private IDataView Rows(object labels, object scores) => NamedScores.View(_mlContext, labels, scores,
        [.. Enumerable.Range(0, 100).Select(i => (i % 20 is 1 or 2 ? 2u - (uint)i % 2 : 1 + (uint)i % 2,
            i % 2 == 0 ? new[] { .7f + i * .002f, .3f - i * .002f } : [.2f, .8f]))]);

    /// <summary>Nine of ten rows are right, and a dog comes first.</summary>
    private IDataView Loaded(TemporaryFolder folder, string header, string column)
    {
        string path = Path.Combine(folder.Path, "scores.csv");
        File.WriteAllLines(path,
        [
            header, .. Enumerable.Range(0, 100).Select(i => (i % 20 is 1 or 2, i % 2 == 0) switch
            {
                (true, true) => "cat,0.3,0.7",
                (true, false) => "dog,0.8,0.2",
                (false, true) => "dog,0.3,0.7",
                _ => "cat,0.8,0.2",
            }),
        ]);
        IDataView loaded = _mlContext.Data.CreateTextLoader(
            [new("Label", DataKind.String, 0), new(column, DataKind.Single, 1, 2)], ',', hasHeader: true,
            dataSample: new MultiFileSource(path)).Load(path);
        return _mlContext.Transforms.Conversion.MapValueToKey("Label").Fit(loaded).Transform(loaded);
    }

    private static string[] KeyValues(DataViewSchema.Column column)
    {
        VBuffer<ReadOnlyMemory<char>> values = default;
        column.GetKeyValues(ref values);
        return [.. values.DenseValues().Select(value => $"{value}")];
    }
}
