using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class EvaluateCalibrationTests
{
    // Keys are zero-based in a class of rows; a number beyond the last is a missing key.
    private const uint Missing = uint.MaxValue;

    private readonly MLContext _mlContext = new(seed: 1);

    [TestMethod]
    public void ScoresOfAnMLNetTrainerGiveTheSameAsComputeAndEvaluate()
    {
        Random random = new(5);
        IDataView data = _mlContext.Data.LoadFromEnumerable(Enumerable.Range(0, 300).Select(_ =>
        {
            float x = random.NextSingle(), y = random.NextSingle();
            return new Example { Name = x + 0.3f * random.NextSingle() < 0.5f ? "left" : y < 0.5f ? "low" : "high", Features = [x, y] };
        }).ToArray());
        var pipeline = _mlContext.Transforms.Conversion.MapValueToKey("Label", nameof(Example.Name))
            .Append(_mlContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy());
        IDataView scored = pipeline.Fit(data).Transform(data);

        MulticlassCalibrationMetrics metrics = _mlContext.MulticlassClassification.EvaluateCalibration(scored);

        MulticlassClassificationMetrics evaluated = _mlContext.MulticlassClassification.Evaluate(scored);
        Assert.AreEqual(evaluated.MicroAccuracy, metrics.Accuracy, 1e-12);
        Assert.AreEqual(evaluated.LogLoss, metrics.LogLoss, 1e-9);
        Assert.AreEqual(300, metrics.Count);
        Assert.AreEqual(3, metrics.NumberOfClasses);

        // The names that the trainer put into the slots of the score, in the order of the keys.
        VBuffer<ReadOnlyMemory<char>> names = default;
        scored.Schema["Score"].GetSlotNames(ref names);
        CollectionAssert.AreEqual(names.DenseValues().Select(name => name.ToString()).ToArray(),
            metrics.PerClass.Select(c => c.ClassName).ToArray());

        float[] scores = [.. scored.GetColumn<float[]>("Score").SelectMany(row => row)];
        int[] labels = [.. scored.GetColumn<uint>("Label").Select(key => (int)key - 1)];
        AssertEqual(CalibrationMetrics.Compute(scores, labels, 3), metrics);
        AssertEqual(CalibrationMetrics.Compute(scores, labels, 3, 7),
            _mlContext.MulticlassClassification.EvaluateCalibration(scored, numberOfBins: 7));
    }

    [TestMethod]
    public void ColumnsMayHaveOtherNames()
    {
        IDataView data = _mlContext.Data.LoadFromEnumerable([new Renamed { Truth = 0, Probability = [.8f, .2f] }]);
        Assert.AreEqual(1.0, _mlContext.MulticlassClassification.EvaluateCalibration(data, "Truth", "Probability").Accuracy);
    }

    [TestMethod]
    public void TopKAccuracyIsThatOfEvaluate()
    {
        CalibrationReference reference = CalibrationReference.Load("overconfident");
        IDataView data = View(10, reference.Labels.Length,
            row => (uint)reference.Labels[row], row => reference.Scores[(row * 10)..(row * 10 + 10)]);
        IReadOnlyList<TopKCalibration> top = _mlContext.MulticlassClassification.EvaluateCalibration(data, topKPredictionCount: 4).TopK;
        IReadOnlyList<double> expected =
            _mlContext.MulticlassClassification.Evaluate(data, topKPredictionCount: 4).TopKAccuracyForAllK;
        for (int k = 0; k < 4; k++)
            Assert.AreEqual(expected[k], top[k].Accuracy, 1e-12);
    }

    [TestMethod]
    public void ClassNamesComeFromTheKeyValuesWhereTheScoreHasNoSlotNames()
    {
        IDataView data = _mlContext.Transforms.Conversion.MapValueToKey("Label", nameof(Named.Number))
            .Fit(_mlContext.Data.LoadFromEnumerable([new Named { Number = 7 }, new Named { Number = 3 }]))
            .Transform(_mlContext.Data.LoadFromEnumerable([new Named { Number = 3, Score = [.2f, .8f] }]));
        CollectionAssert.AreEqual(new[] { "7", "3" },
            _mlContext.MulticlassClassification.EvaluateCalibration(data).PerClass.Select(c => c.ClassName).ToArray());
    }

    [TestMethod]
    public void ClassesWithoutNamesAreNumbered() => CollectionAssert.AreEqual(
        new[] { "0", "1" }, Evaluate((0, [.8f, .2f])).PerClass.Select(c => c.ClassName).ToArray());

    /// <summary>Several blocks of rows, which a second thread adds up: not a bit may differ from one span of them.</summary>
    [TestMethod]
    public void ManyBlocksGiveExactlyWhatOneSpanGives()
    {
        const int Classes = 900, Rows = 500;
        (float[] scores, int[] labels) = Draw(Classes, Rows);
        AssertEqual(CalibrationMetrics.Compute(scores, labels, Classes), _mlContext.MulticlassClassification.EvaluateCalibration(
            View(Classes, Rows, row => (uint)labels[row], row => scores[(row * Classes)..((row + 1) * Classes)])));
    }

    /// <summary>Rows 100, 170, 171 (no label) and 200, 330 (NaN) of several blocks of 72 rows.</summary>
    [TestMethod]
    public void RowsOfLaterBlocksAreLeftOutAndCountedToo()
    {
        const int Classes = 900, Rows = 400;
        List<string> warnings = [];
        _mlContext.CollectWarnings(warnings);
        (float[] scores, int[] labels) = Draw(Classes, Rows);
        int[] unlabeled = [100, 170, 171];
        int[] broken = [200, 330];
        MulticlassCalibrationMetrics metrics = _mlContext.MulticlassClassification.EvaluateCalibration(View(Classes, Rows,
            row => unlabeled.Contains(row) ? Missing : (uint)labels[row],
            row => broken.Contains(row) ? [float.NaN, .. new float[Classes - 1]] : scores[(row * Classes)..((row + 1) * Classes)]));

        int[] kept = [.. Enumerable.Range(0, Rows).Except(unlabeled).Except(broken)];
        AssertEqual(CalibrationMetrics.Compute(
            [.. kept.SelectMany(row => scores[(row * Classes)..((row + 1) * Classes)])], [.. kept.Select(row => labels[row])], Classes),
            metrics);
        Assert.AreEqual(5, metrics.SkippedRows);
        StringAssert.Contains(warnings[0],
            "3 row(s) were left out because the label column 'Label' is missing or unknown; the first is row 100");
        StringAssert.Contains(warnings[1],
            "2 row(s) were left out because the score column 'Score' holds NaN or infinity; the first is row 200");
    }

    [TestMethod]
    [DataRow(3)]
    [DataRow(150)]
    [DataRow(399)]
    public void ARowOfALaterBlockThatIsNotADistributionIsNamed(int wrong)
    {
        const int Classes = 900, Rows = 400;
        (float[] scores, int[] labels) = Draw(Classes, Rows);
        IDataView data = View(Classes, Rows, row => (uint)labels[row],
            row => row >= wrong ? new float[Classes] : scores[(row * Classes)..((row + 1) * Classes)]);
        InvalidOperationException exception = Assert.ThrowsExactly<InvalidOperationException>(
            () => _mlContext.MulticlassClassification.EvaluateCalibration(data));
        StringAssert.Contains(exception.Message, $"row {wrong} (counted from 0) has scores that sum to 0");
    }

    [TestMethod]
    public void SparseScoresCountTheirZeros()
    {
        IDataView data = _mlContext.Data.LoadFromEnumerable(
        [
            new Sparse { Label = 2, Score = new VBuffer<float>(3, 1, [1f], [2]) },
            new Sparse { Label = 0, Score = new VBuffer<float>(3, [.5f, .25f, .25f]) },
            new Sparse { Label = 1, Score = new VBuffer<float>(3, 1, [1f], [0]) },
        ]);
        AssertEqual(CalibrationMetrics.Compute([0, 0, 1, .5f, .25f, .25f, 1, 0, 0], [2, 0, 1], 3),
            _mlContext.MulticlassClassification.EvaluateCalibration(data));
    }

    [TestMethod]
    public void OnlyLabelAndScoreAreReadAndOnlyOnce()
    {
        int passes = 0;
        IDataView data = _mlContext.Data.LoadFromEnumerable(Rows());
        IDataView withOther = _mlContext.Transforms.CustomMapping<Row, Other>((_, _) => throw new NotSupportedException(), null)
            .Fit(data).Transform(data);
        passes = 0;
        Assert.AreEqual(2, _mlContext.MulticlassClassification.EvaluateCalibration(withOther).Count);
        Assert.AreEqual(1, passes);

        IEnumerable<Row> Rows()
        {
            passes++;
            yield return new Row { Label = 0, Score = [.8f, .2f] };
            yield return new Row { Label = 1, Score = [.8f, .2f] };
        }
    }

    [TestMethod]
    public void RowsWithoutLabelOrFiniteScoresAreLeftOutCountedAndReported()
    {
        List<string> warnings = [];
        _mlContext.CollectWarnings(warnings);
        MulticlassCalibrationMetrics metrics = Evaluate(
            (0, [.8f, .2f]), (Missing, [.9f, .1f]), (1, [float.NaN, .1f]), (1, [.7f, .3f]), (0, [float.PositiveInfinity, 0]),
            (2, [.9f, .1f]));
        Assert.AreEqual(2, metrics.Count);
        Assert.AreEqual(4, metrics.SkippedRows);
        AssertEqual(CalibrationMetrics.Compute([.8f, .2f, .7f, .3f], [0, 1], 2), metrics);
        StringAssert.Contains(metrics.ToString(), "4 rows without label or valid scores left out");

        Assert.HasCount(2, warnings);
        StringAssert.Contains(warnings[0],
            "2 row(s) were left out because the label column 'Label' is missing or unknown; the first is row 1");
        StringAssert.Contains(warnings[1],
            "2 row(s) were left out because the score column 'Score' holds NaN or infinity; the first is row 2");
    }

    [TestMethod]
    public void ScoresThatAreNotProbabilitiesAreRefusedWithTheRow()
    {
        InvalidOperationException negative = Assert.ThrowsExactly<InvalidOperationException>(
            () => Evaluate((1, [.8f, .2f]), (1, [1.5f, -.5f])));
        StringAssert.Contains(negative.Message, "'Score'");
        StringAssert.Contains(negative.Message, "row 1");
        StringAssert.Contains(negative.Message, "-0.5");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => Evaluate((1, [.8f, .8f]))).Message, "row 0");
    }

    [TestMethod]
    public void DataWithoutUsableRowsIsRefused()
    {
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => Evaluate()).Message, "no rows");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(
            () => Evaluate((Missing, [.8f, .2f]))).Message, "None of the 1 row(s)");
    }

    [TestMethod]
    public void WrongColumnsAreNamed()
    {
        IDataView data = _mlContext.Data.LoadFromEnumerable(new[] { new Wrong() });
        Rejects("Missing", "Score", "Missing");
        Rejects("Label", "Missing", "Missing");
        Rejects("NotAKey", "Score", "NotAKey", "key");
        Rejects("ThreeValues", "Score", "ThreeValues", "3 keys", "2 scores");
        Rejects("Label", "Scalar", "Scalar", "Single");
        Rejects("Label", "Doubles", "Doubles", "Double");
        Rejects("Label", "UnknownSize", "UnknownSize", "known size");

        void Rejects(string label, string score, params string[] parts)
        {
            ArgumentOutOfRangeException exception = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => _mlContext.MulticlassClassification.EvaluateCalibration(data, label, score));
            foreach (string part in parts)
                StringAssert.Contains(exception.Message, part);
        }
    }

    [TestMethod]
    public void WrongArgumentsAreNamed()
    {
        Assert.AreEqual("data",
            Assert.ThrowsExactly<ArgumentNullException>(() => _mlContext.MulticlassClassification.EvaluateCalibration(null!)).ParamName);
        IDataView data = _mlContext.Data.LoadFromEnumerable([new Row { Label = 0, Score = [1, 0] }]);
        Assert.AreEqual("numberOfBins", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _mlContext.MulticlassClassification.EvaluateCalibration(data, numberOfBins: 0)).ParamName);
        Assert.AreEqual("topKPredictionCount", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _mlContext.MulticlassClassification.EvaluateCalibration(data, topKPredictionCount: 3)).ParamName);
    }

    private MulticlassCalibrationMetrics Evaluate(params (uint Label, float[] Score)[] rows)
        => _mlContext.MulticlassClassification.EvaluateCalibration(
            _mlContext.Data.LoadFromEnumerable(rows.Select(row => new Row { Label = row.Label, Score = row.Score })));

    private static (float[] Scores, int[] Labels) Draw(int classes, int rows)
    {
        Random random = new(1);
        float[] scores = new float[rows * classes];
        for (int row = 0; row < rows; row++)
        {
            Span<float> values = scores.AsSpan(row * classes, classes);
            float sum = 0;
            foreach (ref float value in values)
                sum += value = MathF.Pow(random.NextSingle(), 20);
            foreach (ref float value in values)
                value /= sum;
        }

        return (scores, [.. Enumerable.Range(0, rows).Select(_ => random.Next(classes))]);
    }

    private IDataView View(int classes, int rows, Func<int, uint> label, Func<int, float[]> score)
    {
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Any));
        schema["Label"].ColumnType = new KeyDataViewType(typeof(uint), classes);
        schema["PredictedLabel"].ColumnType = new KeyDataViewType(typeof(uint), classes);
        schema["Score"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, classes);
        return _mlContext.Data.LoadFromEnumerable(
            Enumerable.Range(0, rows).Select(row => new Any { Label = label(row), Score = score(row) }), schema);
    }

    private static void AssertEqual(MulticlassCalibrationMetrics expected, MulticlassCalibrationMetrics actual)
    {
        Assert.AreEqual(expected.ReliabilityDiagram.ToString(), actual.ReliabilityDiagram.ToString());
        foreach (System.Reflection.PropertyInfo property in typeof(MulticlassCalibrationMetrics).GetProperties())
        {
            if (property.PropertyType == typeof(double))
                Assert.AreEqual(property.GetValue(expected), property.GetValue(actual), property.Name);
        }
    }

    private sealed class Example
    {
        public string Name { get; set; } = "";

        [VectorType(2)]
        public float[] Features { get; set; } = [];
    }

    private sealed class Row
    {
        [KeyType(2)]
        public uint Label { get; set; }

        [VectorType(2)]
        public float[] Score { get; set; } = [];
    }

    private sealed class Any
    {
        public uint Label { get; set; }

        public uint PredictedLabel { get; set; }

        public float[] Score { get; set; } = [];
    }

    private sealed class Named
    {
        public int Number { get; set; }

        [VectorType(2)]
        public float[] Score { get; set; } = [1, 0];
    }

    private sealed class Other
    {
        public float Unwanted { get; set; }
    }

    private sealed class Renamed
    {
        [KeyType(2)]
        public uint Truth { get; set; }

        [VectorType(2)]
        public float[] Probability { get; set; } = [];
    }

    private sealed class Sparse
    {
        [KeyType(3)]
        public uint Label { get; set; }

        [VectorType(3)]
        public VBuffer<float> Score { get; set; }
    }

    private sealed class Wrong
    {
        [KeyType(2)]
        public uint Label { get; set; }

        [VectorType(2)]
        public float[] Score { get; set; } = [1, 0];

        [KeyType(3)]
        public uint ThreeValues { get; set; }

        public uint NotAKey { get; set; }

        public float Scalar { get; set; }

        [VectorType(2)]
        public double[] Doubles { get; set; } = [1, 0];

        public float[] UnknownSize { get; set; } = [1, 0];
    }
}
