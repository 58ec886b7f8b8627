using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class CrossValidateCalibrationTests
{
    private readonly MLContext _mlContext = new(seed: 1);

    [TestMethod]
    public void EachFoldIsMeasuredOnTheRowsThatItsModelHasNotSeen()
    {
        IDataView data = Data();
        var folds = _mlContext.MulticlassClassification.CrossValidateCalibration(data, Pipeline(), numberOfFolds: 3, numberOfBins: 10);
        Assert.HasCount(3, folds);
        long rows = 0;
        foreach (TrainCatalogBase.CrossValidationResult<MulticlassCalibrationMetrics> fold in folds)
        {
            Assert.AreEqual(
                _mlContext.MulticlassClassification.EvaluateCalibration(fold.ScoredHoldOutSet, numberOfBins: 10).ToString(),
                fold.Metrics.ToString());
            Assert.HasCount(10, fold.Metrics.ReliabilityDiagram.Bins);
            CollectionAssert.Contains(new[] { "left", "low", "high" }, fold.Metrics.PerClass[0].ClassName);
            rows += fold.Metrics.Count;
        }

        Assert.AreEqual(Enumerable.Range(0, 3).Sum(), folds.Sum(fold => fold.Fold));
        Assert.AreEqual(240, rows);
    }

    [TestMethod]
    public void FoldsAreThoseOfCrossValidate()
    {
        IDataView data = Data();
        var ours = _mlContext.MulticlassClassification.CrossValidateCalibration(data, Pipeline(), 3, seed: 7);
        var theirs = _mlContext.MulticlassClassification.CrossValidate(data, Pipeline(), 3, seed: 7);
        foreach (var (our, their) in ours.Zip(theirs))
        {
            Assert.AreEqual(their.Metrics.MicroAccuracy, our.Metrics.Accuracy, 1e-12);
            Assert.AreEqual(their.Metrics.LogLoss, our.Metrics.LogLoss, 1e-9);
            CollectionAssert.AreEqual(GroupsOf(their.ScoredHoldOutSet), GroupsOf(our.ScoredHoldOutSet));
        }
    }

    /// <summary>CrossValidate takes numbers in their order, finds nothing in the folds that a split before took, and loses rows without a
    /// value.</summary>
    [TestMethod]
    public void GroupsAreDealtToTheFoldsBySeedWhateverTheRowsWereSplitByBefore()
    {
        IDataView data = Data();
        float[][] first = Folds(data, 3, 7);
        Assert.IsTrue(first.All(fold => fold.Length == 80 && fold.GroupBy(group => group).All(group => group.Count() == 4)));
        Assert.AreEqual(60, first.SelectMany(fold => fold.Distinct()).Distinct().Count());
        Assert.IsTrue(first.All(fold => fold.Min() < 15 && fold.Max() > 45));
        CollectionAssert.AreEqual(first.SelectMany(fold => fold).ToArray(), Folds(data, 3, 7).SelectMany(fold => fold).ToArray());
        CollectionAssert.AreNotEqual(first[0], Folds(data, 3, 8)[0]);

        DataOperationsCatalog.TrainTestData split = _mlContext.Data.TrainTestSplit(data, 0.5, "Group");
        Assert.AreEqual(GroupsOf(split.TrainSet).Length, Folds(split.TrainSet, 4, null).Sum(fold => fold.Length));
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(
            () => Folds(_mlContext.Data.TakeRows(data, 12), 4, null)).Message, "3 of 4 folds");

        float[][] Folds(IDataView data, int folds, int? seed) =>
        [
            .. _mlContext.MulticlassClassification.CrossValidateCalibration(data, Pipeline(), folds, samplingKeyColumnName: "Group",
                seed: seed).Select(fold => GroupsOf(fold.ScoredHoldOutSet)),
        ];
    }

    private static float[] GroupsOf(IDataView data) => [.. data.GetColumn<float>("Group")];

    [TestMethod]
    public void WrongArgumentsAreNamedBeforeAnythingIsTrained()
    {
        IDataView data = Data();
        MulticlassClassificationCatalog catalog = _mlContext.MulticlassClassification;
        IEstimator<ITransformer> never = _mlContext.Transforms.CustomMapping<Example, Example>(
            (_, _) => throw new NotSupportedException(), null);
        Assert.AreEqual("data",
            Assert.ThrowsExactly<ArgumentNullException>(() => catalog.CrossValidateCalibration(null!, never)).ParamName);
        Assert.AreEqual("estimator",
            Assert.ThrowsExactly<ArgumentNullException>(() => catalog.CrossValidateCalibration(data, null!)).ParamName);
        Assert.AreEqual("numberOfFolds",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => catalog.CrossValidateCalibration(data, never, 1)).ParamName);
        Assert.AreEqual("numberOfBins", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => catalog.CrossValidateCalibration(data, never, numberOfBins: 0)).ParamName);
    }

    [TestMethod]
    public void AWrongColumnIsNamedBeforeAnythingIsTrained()
    {
        IDataView data = Data();
        MulticlassClassificationCatalog catalog = _mlContext.MulticlassClassification;
        IEstimator<ITransformer> never = new NeverFitted(Pipeline());
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => catalog.CrossValidateCalibration(data, never, labelColumnName: "Missing")).Message, "label column 'Missing'");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => catalog.CrossValidateCalibration(data, never, labelColumnName: "Name")).Message, "Label column 'Name': expected a key");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => catalog.CrossValidateCalibration(data, never, scoreColumnName: "Missing")).Message, "score column 'Missing'");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => catalog.CrossValidateCalibration(data, never, scoreColumnName: "Name")).Message, "Score column 'Name': expected");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => catalog.CrossValidateCalibration(data, never, clusterColumnName: "Missing")).Message, "cluster column 'Missing'");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => catalog.CrossValidateCalibration(data, never, clusterColumnName: "Features")).Message,
            "Column 'Features': expected the cluster of each row");
        Assert.ThrowsExactly<ArgumentException>(() => catalog.CrossValidateCalibration(data, never, clusterColumnName: ""));
        Assert.ThrowsExactly<InvalidTimeZoneException>(() => catalog.CrossValidateCalibration(data, never));
    }

    [TestMethod]
    public void AnEstimatorThatDoesNotSayItsColumnsIsTrainedAllTheSame() =>
        Assert.HasCount(2, _mlContext.MulticlassClassification.CrossValidateCalibration(Data(), new Silent(Pipeline()), 2));

    [TestMethod]
    public void IntervalsOfAFoldAreOfClusters()
    {
        var folds = _mlContext.MulticlassClassification.CrossValidateCalibration(
            Data(), Pipeline(), 2, "Label", "Group", seed: 3, clusterColumnName: "Group");
        Assert.AreEqual(60, folds.Sum(fold => fold.Metrics.Bootstrap().NumberOfClusters));
    }

    private IEstimator<ITransformer> Pipeline() => _mlContext.Transforms.Conversion.MapValueToKey("Label", nameof(Example.Name))
        .Append(_mlContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy());

    private IDataView Data()
    {
        Random random = new(5);
        return _mlContext.Data.LoadFromEnumerable(Enumerable.Range(0, 240).Select(i =>
        {
            float x = random.NextSingle(), y = random.NextSingle();
            string name = i == 0 || x + 0.3f * random.NextSingle() < 0.5f ? "left" : y < 0.5f ? "low" : "high";
            return new Example { Name = name, Features = [x, y], Group = i / 4 };
        }).ToArray());
    }

    private sealed class NeverFitted(IEstimator<ITransformer> inner) : IEstimator<ITransformer>
    {
        public SchemaShape GetOutputSchema(SchemaShape inputSchema) => inner.GetOutputSchema(inputSchema);

        public ITransformer Fit(IDataView input) => throw new InvalidTimeZoneException("is fitted");
    }

    private sealed class Silent(IEstimator<ITransformer> inner) : IEstimator<ITransformer>
    {
        public SchemaShape GetOutputSchema(SchemaShape inputSchema) => throw new NotImplementedException();

        public ITransformer Fit(IDataView input) => inner.Fit(input);
    }

    private sealed class Example
    {
        public string Name { get; set; } = "";

        [VectorType(2)]
        public float[] Features { get; set; } = [];

        public float Group { get; set; }
    }
}
