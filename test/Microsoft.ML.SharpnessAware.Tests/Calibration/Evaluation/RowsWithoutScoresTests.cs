using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>ML.NET does not see to it that a row has as many scores as the type of its column says.</summary>
[TestClass]
public sealed class RowsWithoutScoresTests
{
    private const int Classes = 3;
    private const int Good = 4;
    private static readonly MLContext Context = new(1);

    private static readonly Dictionary<string, ITransformer> Transformers = new()
    {
        ["calibrator"] = Context.MulticlassClassification.Calibrators.Temperature().Fit(Dense([])),
        ["sets"] = Context.MulticlassClassification.Decisions.PredictionSets().Fit(Dense([])),
        ["abstention"] = Context.MulticlassClassification.Decisions.Abstain(outputColumnName: "Sure").Fit(Dense([])),
    };

    private static readonly Dictionary<string, Action<IDataView>> Fits = new()
    {
        ["calibrator"] = data => Context.MulticlassClassification.Calibrators.Temperature().Fit(data),
        ["calibrator of logits"] = data =>
            Context.MulticlassClassification.Calibrators.Temperature(scoreKind: ScoreKind.Logits).Fit(data),
        ["sets"] = data => Context.MulticlassClassification.Decisions.PredictionSets().Fit(data),
        ["abstention"] = data => Context.MulticlassClassification.Decisions.Abstain().Fit(data),
    };

    private static readonly Dictionary<string, Action<IDataView>> Measures = new()
    {
        ["EvaluateCalibration"] = data => Context.MulticlassClassification.EvaluateCalibration(data),
        ["EvaluateCalibration of logits"] = data =>
            Context.MulticlassClassification.EvaluateCalibration(data, scoreKind: ScoreKind.Logits),
        ["EvaluateAbstention"] = data => Context.MulticlassClassification.EvaluateAbstention(data),
        ["EvaluatePredictionSets"] = data => Context.MulticlassClassification.EvaluatePredictionSets(
            Transformers["sets"].Transform(data)),
        ["report"] = data => new CalibrationReport(Context).Add("model", data),
        ["report with sets"] = data => new CalibrationReport(Context).Add("model", Transformers["sets"].Transform(data)),
    };

    /// <summary>Null, none, one fewer and one more; dense and sparse.</summary>
    private static IEnumerable<(int Length, IDataView Data)> OfOtherLengths =>
    [
        (0, Dense([new DenseRow { Score = null }])),
        (0, Dense([new DenseRow { Score = [] }])),
        (2, Dense([new DenseRow { Score = [.5f, .5f] }])),
        (4, Dense([new DenseRow { Score = [.25f, .25f, .25f, .25f] }])),
        (0, Sparse([new SparseRow { Score = default }])),
        (2, Sparse([new SparseRow { Score = new(2, 1, [1f], [1]) }])),
        (4, Sparse([new SparseRow { Score = new(4, 1, [1f], [1]) }])),
    ];

    [TestMethod]
    public void NoFitTakesARowOfOtherScores() => AssertRefused(Fits);

    [TestMethod]
    public void NoMeasureTakesARowOfOtherScores() => AssertRefused(Measures);

    [TestMethod]
    [DataRow("calibrator", "Score")]
    [DataRow("calibrator", "PredictedLabel")]
    [DataRow("sets", "PredictionSet")]
    [DataRow("sets", "PredictionSetSize")]
    [DataRow("abstention", "Sure")]
    public void NoTransformerGivesSuchARowWhatAnEarlierOneHas(string transformer, string column)
    {
        foreach ((int length, IDataView data) in OfOtherLengths)
        {
            IDataView output = Transformers[transformer].Transform(data);
            using DataViewRowCursor cursor = LazyCursor.Open(output, [output.Schema[column]]);
            Action read = Reader(cursor, output.Schema[column]);
            for (int row = 0; row < Good; row++)
            {
                cursor.MoveNext();
                read();
            }

            cursor.MoveNext();
            AssertNamesTheRow(transformer, length, Assert.ThrowsExactly<InvalidOperationException>(read, transformer));
            AssertNamesTheRow(transformer, length, Assert.ThrowsExactly<InvalidOperationException>(read, "again"));
            cursor.MoveNext();
            read();
        }
    }

    [TestMethod]
    public void SuchARowIsLeftOutWhereItHasNoLabelOrIsFilteredOut()
    {
        IDataView unlabelled = Dense([new DenseRow { Label = Classes, Score = null }]);
        IDataView without = Dense([new DenseRow { Score = null }]);
        IDataView filtered = Context.Data.FilterByCustomPredicate<DenseRow>(without, row => row.Score is not { Length: Classes });
        IDataView kept = Context.Data.FilterRowsByMissingValues(without, "Score");      // a value that is not there is not NaN
        Assert.HasCount(Good + 2, kept.GetColumn<float[]>("Score").ToArray());
        foreach (IDataView data in (IDataView[])[unlabelled, filtered])
        {
            Assert.AreEqual(Good + 1, Context.MulticlassClassification.EvaluateCalibration(data).Count);
            foreach (Action<IDataView> fit in Fits.Values)
                fit(data);
        }
    }

    [TestMethod]
    public void SparseScoresAreThoseOfTheRowItself()
    {
        float[][] rows = [[.2f, .3f, .5f], [0, 1, 0], [.1f, .2f, .7f], [1, 0, 0]];
        IDataView dense = Context.Data.LoadFromEnumerable(rows.Select(row => new DenseRow { Score = row }));
        IDataView sparse = Context.Data.LoadFromEnumerable(rows.Select(row => new SparseRow { Score = ToSparse(row) }));
        IDataView expected = Transformers["calibrator"].Transform(dense), actual = Transformers["calibrator"].Transform(sparse);
        CollectionAssert.AreEqual(Flat<float>(expected, "Score"), Flat<float>(actual, "Score"));
        expected = Transformers["sets"].Transform(dense);
        actual = Transformers["sets"].Transform(sparse);
        CollectionAssert.AreEqual(Flat<uint>(expected, "PredictionSet"), Flat<uint>(actual, "PredictionSet"));
        Assert.AreEqual($"{Context.MulticlassClassification.EvaluateCalibration(dense)}",
            $"{Context.MulticlassClassification.EvaluateCalibration(sparse)}");

        static VBuffer<float> ToSparse(float[] row)
        {
            int[] places = [.. Enumerable.Range(0, row.Length).Where(k => row[k] > 0)];
            return new(row.Length, places.Length, [.. places.Select(k => row[k])], places);
        }

        static T[] Flat<T>(IDataView view, string column) => [.. view.GetColumn<T[]>(column).SelectMany(row => row)];
    }

    private static void AssertRefused(Dictionary<string, Action<IDataView>> consumers)
    {
        foreach ((string name, Action<IDataView> consume) in consumers)
        {
            foreach ((int length, IDataView data) in OfOtherLengths)
                AssertNamesTheRow(name, length, Assert.ThrowsExactly<InvalidOperationException>(() => consume(data), $"{name}, {length}"));
        }
    }

    private static void AssertNamesTheRow(string consumer, int length, Exception exception) => Assert.StartsWith(
        $"Column 'Score' must hold {Classes} scores in each row, as its type says, but row {Good} (counted from 0) has {length}.",
        exception.Message, consumer);

    private static Action Reader(DataViewRow row, DataViewSchema.Column column)
    {
        return column.Type switch
        {
            VectorDataViewType { ItemType: KeyDataViewType } => Of<VBuffer<uint>>(),
            VectorDataViewType => Of<VBuffer<float>>(),
            KeyDataViewType => Of<uint>(),
            BooleanDataViewType => Of<bool>(),
            _ => Of<int>(),
        };

        Action Of<T>()
        {
            ValueGetter<T> get = row.GetGetter<T>(column);
            T value = default!;
            return () => get(ref value);
        }
    }

    /// <summary>Some good rows, then those given, then a good one.</summary>
    private static IDataView Dense(DenseRow[] between) => Context.Data.LoadFromEnumerable(
        [.. Enumerable.Range(0, Good).Select(_ => new DenseRow()), .. between, new DenseRow()]);

    private static IDataView Sparse(SparseRow[] between) => Context.Data.LoadFromEnumerable(
        [.. Enumerable.Range(0, Good).Select(_ => new SparseRow()), .. between, new SparseRow()]);

    private sealed class DenseRow
    {
        [KeyType(Classes)]
        public uint Label { get; set; } = 2;      // counted from 0 here

        [VectorType(Classes)]
        public float[]? Score { get; set; } = [.2f, .3f, .5f];

        public bool Accepted { get; set; }
    }

    private sealed class SparseRow
    {
        [KeyType(Classes)]
        public uint Label { get; set; } = 2;      // counted from 0 here

        [VectorType(Classes)]
        public VBuffer<float> Score { get; set; } = new(Classes, 1, [1f], [2]);

        public bool Accepted { get; set; }
    }
}
