using System.Text.RegularExpressions;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>No calibrator is fitted on the rows that its model was trained on.</summary>
[TestClass]
public sealed class HeldOutTests
{
    private readonly MLContext _mlContext = new(1);
    private readonly List<string> _warnings = [];

    [TestInitialize]
    public void Listen() => _mlContext.Log += (_, log) =>
    {
        if (log.Kind == ChannelMessageKind.Warning && log.RawMessage.StartsWith(
            "A calibrator was fitted in the same pipeline", StringComparison.Ordinal))
            _warnings.Add(log.Message);
    };

    private MulticlassCalibratorsCatalog Calibrators => _mlContext.MulticlassClassification.Calibrators;

    /// <summary>A tree that learns its rows by heart is sure of each of them, and is not of others.</summary>
    private IEstimator<ITransformer> Trainer => _mlContext.MulticlassClassification.Trainers.LightGbm(
        numberOfLeaves: 60, minimumExampleCountPerLeaf: 1, numberOfIterations: 40);

    [TestMethod]
    public void InAPipelineACalibratorWarnsAndHeldOutAndCrossFittedDoBetter()
    {
        IDataView data = Examples.Data(_mlContext, 900), others = Examples.Data(_mlContext, 900, seed: 7);
        double raw = LogLoss(Trainer);
        double ruined = LogLoss(Trainer.Append(Calibrators.Temperature()));
        Assert.HasCount(1, _warnings);
        double heldOut = LogLoss(Calibrators.HeldOut(Trainer, Calibrators.Temperature()));
        double crossFitted = LogLoss(Calibrators.CrossFitted(Trainer, Calibrators.Temperature()));
        Assert.HasCount(1, _warnings);
        Assert.IsGreaterThan(raw, ruined);
        Assert.IsLessThan(raw - 0.1, heldOut);
        Assert.IsLessThan(raw - 0.1, crossFitted);

        double LogLoss(IEstimator<ITransformer> estimator) => _mlContext.MulticlassClassification.EvaluateCalibration(
            estimator.Fit(data).Transform(others)).LogLoss;
    }

    [TestMethod]
    public void WhatIsFittedOnOtherRowsDoesNotWarn()
    {
        IDataView data = Examples.Data(_mlContext, 300), others = Examples.Data(_mlContext, 300, seed: 7);
        ITransformer model = _mlContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy().Fit(data);
        IDataView scored = model.Transform(others);
        Calibrators.Vector().Fit(scored);
        new EstimatorChain<ITransformer>().Append(Calibrators.Vector())
            .Append(_mlContext.Transforms.Conversion.MapKeyToValue("PredictedLabel")).Fit(scored);
        _mlContext.Transforms.Conversion.MapValueToKey("Class", "Name").Append(Calibrators.Vector()).Fit(scored);
        Assert.IsEmpty(_warnings);
    }

    [TestMethod]
    public void TheyCanBeAppendedSavedAndCrossValidated()
    {
        IDataView rows = Examples.Data(_mlContext, 400);
        foreach (Func<IEstimator<ITransformer>, IEstimator<TransformerChain<MulticlassCalibratorTransformer>>> around in
            new Func<IEstimator<ITransformer>, IEstimator<TransformerChain<MulticlassCalibratorTransformer>>>[]
            {
                trainer => Calibrators.HeldOut(trainer, Calibrators.Vector()), trainer =>
                    Calibrators.CrossFitted(trainer, Calibrators.Vector(), numberOfFolds: 3),
            })
        {
            IEstimator<ITransformer> pipeline = _mlContext.Transforms.Conversion.MapValueToKey("Class", "Name")
                .Append(around(_mlContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy()))
                .Append(_mlContext.Transforms.Conversion.MapKeyToValue("PredictedLabel"));
            ITransformer model = pipeline.Fit(rows);
            float[][] expected = [.. model.Transform(rows).GetColumn<float[]>("Score")];
            using var stream = new MemoryStream();
            _mlContext.Model.Save(model, rows.Schema, stream);
            float[][] actual = [.. new MLContext().Model.Load(stream, out _).Transform(rows).GetColumn<float[]>("Score")];
            for (int row = 0; row < expected.Length; row++)
                CollectionAssert.AreEqual(expected[row], actual[row]);
            Assert.HasCount(2, _mlContext.MulticlassClassification.CrossValidateCalibration(rows, pipeline, numberOfFolds: 2));
        }

        Assert.IsEmpty(_warnings);
    }

    /// <summary>Each fold's MapValueToKey sees the classes in the order of its own rows.</summary>
    [TestMethod]
    public void APipelineThatMapsItsLabelsItselfMayOrderThemDifferentlyInEachFold()
    {
        string[] names = ["left", "low", "high"];
        var random = new Random(2);
        Point[] points = [.. Enumerable.Range(0, 240).Select(i =>
        {
            int k = random.Next(3);
            return new Point { Name = names[k], Features = [k == 0 ? 0.2f : 0.8f, k == 1 ? 0.2f : 0.8f + 0.3f * random.NextSingle()] };
        })];
        IDataView data = _mlContext.Data.LoadFromEnumerable(points);
        IEstimator<ITransformer> pipeline = _mlContext.Transforms.Conversion.MapValueToKey("Label", "Name")
            .Append(_mlContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy());
        foreach (int folds in new[] { 2, 5, 40 })
        {
            ITransformer model = Calibrators.CrossFitted(pipeline, Calibrators.Vector(), folds).Fit(data);
            Assert.AreEqual(1.0, _mlContext.MulticlassClassification.EvaluateCalibration(model.Transform(data)).Accuracy);
        }
    }

    /// <summary>A step of scope TrainTest is no part of what the chain's own Transform does.</summary>
    [TestMethod]
    [DataRow(false, false)]
    [DataRow(true, false)]
    [DataRow(true, true)]
    public void LabelsMayBeMappedByAStepForTrainingAndTestingAlone(bool isNested, bool areKeys)
    {
        IDataView rows = Examples.Data(_mlContext, 400);
        EstimatorChain<ITransformer> relabels = areKeys ? new EstimatorChain<ITransformer>()
            .Append(_mlContext.Transforms.Conversion.MapKeyToValue("Label"), TransformerScope.TrainTest)
            .Append((IEstimator<ITransformer>)_mlContext.Transforms.Conversion.MapValueToKey("Label"), TransformerScope.TrainTest)
            : new EstimatorChain<ITransformer>().Append(
                (IEstimator<ITransformer>)_mlContext.Transforms.Conversion.MapValueToKey("Label", "Name"), TransformerScope.TrainTest);
        IEstimator<ITransformer> pipeline = relabels.Append(_mlContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy());
        if (isNested)
            pipeline = new EstimatorChain<ITransformer>().Append(_mlContext.Transforms.CopyColumns("Again", "Features")).Append(pipeline);
        IDataView data = areKeys ? rows : _mlContext.Transforms.DropColumns("Label").Fit(rows).Transform(rows);
        foreach (IEstimator<TransformerChain<MulticlassCalibratorTransformer>> estimator in
            new[] { Calibrators.HeldOut(pipeline, Calibrators.Vector()), Calibrators.CrossFitted(pipeline, Calibrators.Vector(), 3) })
        {
            TransformerChain<MulticlassCalibratorTransformer> model = estimator.Fit(data);
            Assert.IsInstanceOfType<VectorCalibrator>(model.LastTransformer.Calibrator);
            IDataView unlabelled = _mlContext.Transforms.DropColumns("Name").Fit(data).Transform(data);
            Assert.IsNull(areKeys ? null : model.Transform(unlabelled).Schema.GetColumnOrNull("Label"));
            Assert.AreEqual(1, model.Transform(unlabelled).GetColumn<float[]>("Score").First().Sum(), 1e-4f);
            foreach (var fold in _mlContext.MulticlassClassification.CrossValidateCalibration(data, estimator, numberOfFolds: 2))
                Assert.IsGreaterThan(.6, fold.Metrics.Accuracy);
        }
    }

    /// <summary>Rows that a step drops for training alone are scored and measured all the same.</summary>
    [TestMethod]
    public void AStepForTrainingAloneIsNoPartOfTheTest()
    {
        IDataView data = Examples.Data(_mlContext, 300);
        IEstimator<ITransformer> pipeline = new EstimatorChain<ITransformer>()
            .Append(new Fewer(_mlContext), TransformerScope.Training)
            .Append(_mlContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy());
        Assert.AreEqual(300, _mlContext.MulticlassClassification.CrossValidateCalibration(data, pipeline, numberOfFolds: 2)
            .Sum(fold => fold.Metrics.Count));
    }

    /// <summary>And not by its place in the part that is looked at. From row 10 on all rows are bad, and say which they are.</summary>
    [TestMethod]
    public void ABadRowIsNamedByItsPlaceInTheData()
    {
        IDataView bad = ScoredRows.Of(2, [.. Enumerable.Range(0, 60).Select(i =>
            (i % 2, i < 10 ? new float[] { .5f, .5f } : [2 + i, -1 - i]))]).View(_mlContext);
        IEstimator<ITransformer> model = _mlContext.Transforms.CopyColumns("Again", "Score");
        foreach (Action action in new Action[]
        {
            () => Calibrators.HeldOut(model, Calibrators.Temperature(), 0.5).Fit(bad),
            () => Calibrators.CrossFitted(model, Calibrators.Temperature(), 3).Fit(bad),
            () => _mlContext.MulticlassClassification.CrossValidateCalibration(bad, model, numberOfFolds: 3),
            () => _mlContext.MulticlassClassification.Decisions.Abstain(.5, .5).Fit(_mlContext.Data.SkipRows(bad, 20)),
        })
        {
            string message = Assert.ThrowsExactly<InvalidOperationException>(action).Message;
            Match row = Regex.Match(message, @"row (\d+) \(counted from 0\) has the negative score -(\d+) ");
            Assert.IsTrue(row.Success, message);
            Assert.AreEqual(int.Parse(row.Groups[2].Value) - 1, int.Parse(row.Groups[1].Value), message);
        }
    }

    [TestMethod]
    public void RowsThatAreLeftOutAreNamedByTheirPlaceInTheData()
    {
        List<string> leftOut = [];
        _mlContext.Log += (_, log) =>
        {
            if (log.Kind == ChannelMessageKind.Warning && log.RawMessage.Contains("left out", StringComparison.Ordinal))
                leftOut.Add(log.RawMessage);
        };
        ScoredRows rows = ScoredRows.Confused(120);
        rows.Labels[111] = -1;
        rows.Scores[3 * 110] = float.NaN;
        rows.Labels[110] = -1;
        IDataView data = rows.View(_mlContext), withScores = _mlContext.Data.SkipRows(data, 111);
        IEstimator<ITransformer> model = _mlContext.Transforms.CopyColumns("Again", "Score");
        Calibrators.CrossFitted(model, Calibrators.Temperature(), 2).Fit(data);
        _mlContext.MulticlassClassification.CrossValidateCalibration(data, model, numberOfFolds: 2);
        _mlContext.MulticlassClassification.Decisions.Abstain(.1, .1).Fit(withScores);
        Assert.IsGreaterThanOrEqualTo(3, leftOut.Count);
        Assert.IsTrue(leftOut.All(text => text.Contains("is row 110 ", StringComparison.Ordinal)
            || text.Contains("is row 111 ", StringComparison.Ordinal)), string.Join('\n', leftOut));
    }

    [TestMethod]
    public void RowsOfOneKeyAreNotDivided()
    {
        var random = new Random(3);
        Point[] points = [.. Enumerable.Range(
            0, 300).Select(i => new Point { Name = i % 2 == 0 ? "a" : "b", Group = $"{i / 30}",
            Features = [i % 2 + random.NextSingle(), 0] })];
        IDataView data = _mlContext.Transforms.Conversion.MapValueToKey("Label", "Name").Fit(Rows()).Transform(Rows());
        TransformerChain<MulticlassCalibratorTransformer> model = Calibrators.HeldOut(
            new GroupSpy(_mlContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy()), Calibrators.Temperature(), 0.4, "Group")
                .Fit(data);
        Assert.IsInstanceOfType<TemperatureCalibrator>(model.LastTransformer.Calibrator);
        Assert.IsTrue(GroupSpy.Counts.Count is > 0 and < 10);
        Assert.IsTrue(GroupSpy.Counts.All(count => count == 30));

        IDataView Rows() => _mlContext.Data.LoadFromEnumerable(points);
    }

    [TestMethod]
    public void WrongArgumentsAreNamedAndWrongColumnsFoundBeforeTheTraining()
    {
        foreach (double fraction in new[] { 0, 1, -1, double.NaN })
            Assert.AreEqual("fraction", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => Calibrators.HeldOut(Trainer, Calibrators.Temperature(), fraction)).ParamName);
        Assert.AreEqual("numberOfFolds", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => Calibrators.CrossFitted(Trainer, Calibrators.Temperature(), 1)).ParamName);
        Assert.AreEqual("calibrator", Assert.ThrowsExactly<ArgumentNullException>(() => Calibrators.HeldOut(Trainer, null!)).ParamName);
        IDataView data = Examples.Data(_mlContext, 60);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => Calibrators.HeldOut(new NeverFitted(Trainer), Calibrators.Temperature(scoreColumnName: "Missing")).Fit(data)).Message,
                "'Missing'");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => Calibrators.CrossFitted(new NeverFitted(Trainer), Calibrators.Temperature(scoreColumnName: "Missing")).Fit(data))
                .Message, "'Missing'");
    }

    /// <summary>A label of more classes than the calibrator takes is found before the training, which may take hours.</summary>
    [TestMethod]
    public void TooManyClassesAreRefusedBeforeTheTraining()
    {
        const int Classes = 200;
        IDataView data = _mlContext.Data.LoadFromEnumerable(Enumerable.Range(0, 3 * Classes).Select(i =>
            new Point { Name = $"{i % Classes}", Features = [i, 1] }).ToArray());
        IDataView keys = _mlContext.Transforms.Conversion.MapValueToKey("Label", "Name").Fit(data).Transform(data);
        foreach (MulticlassCalibratorEstimator calibrator in new[] { Calibrators.Dirichlet(), Calibrators.StructuredMatrix() })
        {
            StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(
                () => Calibrators.HeldOut(new NeverFitted(Trainer), calibrator).Fit(keys)).Message, "of 200 classes would have");
            StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(
                () => Calibrators.CrossFitted(new NeverFitted(Trainer), calibrator).Fit(keys)).Message, "at most 128 classes");
        }

        // What a pipeline makes of a label is not known before.
        EstimatorChain<ITransformer> relabels = _mlContext.Transforms.Conversion.MapKeyToValue("Label")
            .Append(_mlContext.Transforms.Conversion.MapValueToKey("Label")).Append(new NeverFitted(Trainer));
        Assert.ThrowsExactly<NotSupportedException>(() => Calibrators.HeldOut(relabels, Calibrators.Dirichlet()).Fit(keys));
        Assert.ThrowsExactly<NotSupportedException>(() => Calibrators.CrossFitted(relabels, Calibrators.Dirichlet()).Fit(keys));
        Assert.ThrowsExactly<NotSupportedException>(
            () => Calibrators.HeldOut(relabels.WithOnFitDelegate(_ => { }), Calibrators.Dirichlet()).Fit(keys));
        Assert.ThrowsExactly<NotSupportedException>(() => Calibrators.HeldOut(new NeverFitted(
            _mlContext.Transforms.Conversion.MapValueToKey("Label", "Name").Append(Trainer)), Calibrators.Dirichlet()).Fit(data));
    }

    private sealed class Point
    {
        public string Name { get; set; } = "";

        public string Group { get; set; } = "";

        [VectorType(2)]
        public float[] Features { get; set; } = [];
    }

    private sealed class NeverFitted(IEstimator<ITransformer> inner) : IEstimator<ITransformer>, IKeepsLabel
    {
        public SchemaShape GetOutputSchema(SchemaShape inputSchema) => inner.GetOutputSchema(inputSchema);

        public ITransformer Fit(IDataView input) => throw new NotSupportedException();
    }

    /// <summary>Keeps the first fifty rows.</summary>
    private sealed class Fewer(MLContext mlContext) : IEstimator<ITransformer>, ITransformer
    {
        public bool IsRowToRowMapper => false;

        public ITransformer Fit(IDataView input) => this;

        public IDataView Transform(IDataView input) => mlContext.Data.TakeRows(input, 50);

        public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => inputSchema;

        public SchemaShape GetOutputSchema(SchemaShape inputSchema) => inputSchema;

        public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => throw new NotSupportedException();

        public void Save(ModelSaveContext ctx) => throw new NotSupportedException();
    }

    private sealed class GroupSpy(IEstimator<ITransformer> inner) : IEstimator<ITransformer>
    {
        public static List<int> Counts { get; } = [];

        public SchemaShape GetOutputSchema(SchemaShape inputSchema) => inner.GetOutputSchema(inputSchema);

        public ITransformer Fit(IDataView input)
        {
            Counts.AddRange(input.GetColumn<string>("Group").GroupBy(group => group).Select(group => group.Count()));
            return inner.Fit(input);
        }
    }
}
