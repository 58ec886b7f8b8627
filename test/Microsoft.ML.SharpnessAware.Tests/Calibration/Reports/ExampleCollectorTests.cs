using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class ExampleCollectorTests
{
    private readonly MLContext _mlContext = new(seed: 1);

    [TestMethod]
    public void TheMostExtremeRowsAreKeptAndOfEqualsTheEarliest()
    {
        ExampleCollector collector = new(limit: 2);
        float[] wrong = [.6f, .9f, .7f, .9f, .9f, .5f];
        float[] right = [.6f, .55f, .7f, .55f, .55f, .9f];
        for (int i = 0; i < wrong.Length; i++)
        {
            Add(collector, 2 * i, key: 2, wrong[i], 1 - wrong[i]);
            Add(collector, 2 * i + 1, key: 1, right[i], 1 - right[i]);
        }

        CollectionAssert.AreEqual(new long[] { 2, 6 }, collector.ConfidentlyWrong.Select(row => row.Row).ToArray());
        CollectionAssert.AreEqual(new long[] { 3, 7 }, collector.HesitantlyRight.Select(row => row.Row).ToArray());
        Assert.AreEqual(new ReportRow(2, default, Label: 1, Predicted: 0, .9f, 1 - .9f), collector.ConfidentlyWrong[0]);
    }

    [TestMethod]
    public void RowsThatTheMetricsLeaveOutAreNotKept()
    {
        ExampleCollector collector = new(limit: 5);
        Add(collector, 0, key: 0, .9f, .1f);
        Add(collector, 1, key: 3, .9f, .1f);
        Add(collector, 2, key: 1, float.NaN, .1f);
        Add(collector, 3, key: 1, float.PositiveInfinity, 0);
        Assert.IsEmpty(collector.ConfidentlyWrong);
        Assert.IsEmpty(collector.HesitantlyRight);
        Add(collector, 4, key: 2, .5f, .5f);        // a tie is the lowest index's
        Assert.AreEqual(0, collector.ConfidentlyWrong.Single().Predicted);
    }

    [TestMethod]
    public void WatchingReadsScoresOnceAndCountsOnlyTheFirstCompletePass()
    {
        Example[] rows = [new() { Label = 0, Score = [.8f, .2f] }, new() { Label = 1, Score = [.7f, .3f] }];
        WatchedDataView watched = new(_mlContext.Data.LoadFromEnumerable(rows), "Label", "Score", () => new ExampleCollector(9));
        using (DataViewRowCursor cursor = watched.GetRowCursor(watched.Schema))
        {
            Assert.IsTrue(cursor.MoveNext());       // not to the end
            Assert.IsNull(watched.Collected);
        }

        rows[0].Reads = 0;
        Assert.AreEqual(0.5, _mlContext.MulticlassClassification.EvaluateCalibration(watched).Accuracy);
        CollectionAssert.AreEqual(new[] { 1, 1 }, rows.Select(row => row.Reads).ToArray());
        ExampleCollector collected = watched.Collected!;
        Assert.AreEqual(1, collected.ConfidentlyWrong.Single().Row);
        Assert.AreEqual(0, collected.HesitantlyRight.Single().Row);

        _mlContext.MulticlassClassification.EvaluateCalibration(watched);
        Assert.AreSame(collected, watched.Collected);
        Assert.HasCount(1, collected.ConfidentlyWrong);
        Assert.HasCount(2, watched.GetColumn<float[]>("Score"));      // a pass without labels
    }

    private static void Add(ExampleCollector collector, long row, ulong key, params float[] scores)
        => collector.Add(row, default, key, new VBuffer<float>(scores.Length, scores));

    private sealed class Example
    {
        private float[] _score = [];

        [KeyType(2)]
        public uint Label { get; set; }

        [VectorType(2)]
        public float[] Score
        {
            get
            {
                Reads++;
                return _score;
            }
            set => _score = value;
        }

        internal int Reads;
    }
}
