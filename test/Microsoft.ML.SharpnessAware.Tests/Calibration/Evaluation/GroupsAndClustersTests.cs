using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>Metrics by group, and comparisons by cluster.</summary>
[TestClass]
public sealed class GroupsAndClustersTests
{
    private readonly MLContext _mlContext = new(seed: 1);

    /// <summary>Each group's metrics are those of its rows alone, whatever the column's type; rows without a value are a group.</summary>
    [TestMethod]
    public void AGroupIsMeasuredAsItsRowsAloneWouldBe()
    {
        Row[] rows = Rows(600, row => row.Text = row.Number < 0 ? "" : row.Number < 3 ? "north" : "a south");
        IDataView data = View(rows);
        MulticlassCalibrationMetrics all = Evaluate(data, "Text");
        CollectionAssert.AreEqual(new[] { "a south", "north", "" }, all.PerGroup.Select(group => group.GroupName).ToArray());
        Assert.AreEqual(all.Count, all.PerGroup.Sum(group => group.Metrics.Count));
        Assert.AreEqual(all.LogLoss, all.PerGroup.Sum(group => group.Metrics.Count * group.Metrics.LogLoss) / all.Count, 1e-9);
        foreach (GroupCalibration group in all.PerGroup)
        {
            MulticlassCalibrationMetrics alone = Evaluate(View([.. rows.Where(row => row.Text == group.GroupName)]));
            Assert.AreEqual(alone.ToString(), group.Metrics.ToString());
            Assert.AreEqual(alone.Bootstrap(200).ToString(), group.Metrics.Bootstrap(200).ToString());
            Assert.AreEqual(0.0, alone.CompareTo(group.Metrics, 100).LogLoss.Estimate);
            Assert.IsNull(group.Metrics.LogLossDecomposition);
        }

        Assert.AreEqual(Evaluate(data).ToString(), all.ToString());
        Assert.IsEmpty(Evaluate(data).PerGroup);
    }

    [TestMethod]
    public void GroupsMayBeOfAnyTypeOfSingleValues()
    {
        Row[] rows = Rows(300, row => row.SetAll());
        IDataView data = _mlContext.Transforms.Conversion.MapValueToKey("Key", "Text").Fit(View(rows)).Transform(View(rows));
        CollectionAssert.AreEqual(new[] { "0", "1", "2", "3", "4", "" }, Names("Real"));
        CollectionAssert.AreEqual(new[] { "-1", "0", "1", "2", "3", "4" }, Names("Number"));
        CollectionAssert.AreEqual(new[] { "False", "True" }, Names("Flag"));
        CollectionAssert.AreEqual(new[] { "2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05" }, Names("Date"));
        Assert.HasCount(1, Names("Key"));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Evaluate(data, "Score")).Message,
            "Column 'Score': expected the group of each row");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Evaluate(data, "Nowhere")).Message, "Nowhere");

        string[] Names(string column) => [.. Evaluate(data, column).PerGroup.Select(group => group.GroupName)];
    }

    /// <summary>Groups of one row, of one class, and hundreds of them.</summary>
    [TestMethod]
    public void SmallAndManyGroupsAreMeasured()
    {
        Row[] rows = Rows(900, row => row.Text = "");
        for (int i = 0; i < rows.Length; i++)
            rows[i].Number = i / 2;
        rows[0].Number = 10_000;
        MulticlassCalibrationMetrics metrics = Evaluate(View(rows), "Number");
        Assert.HasCount(451, metrics.PerGroup);
        MulticlassCalibrationMetrics single = metrics.PerGroup[^1].Metrics;
        Assert.AreEqual(1, single.Count);
        CalibrationIntervals intervals = single.Bootstrap(100);
        Assert.IsTrue(intervals.Accuracy.Upper - intervals.Accuracy.Lower > .9, "one row says next to nothing");
        Assert.IsTrue(intervals.LogLoss.Lower <= single.LogLoss && single.LogLoss <= intervals.LogLoss.Upper);
        Assert.IsTrue(double.IsFinite(single.CompareTo(single, 100).ExpectedCalibrationError.Upper));
        CollectionAssert.IsSubsetOf(new[] { "0", "1", "448" }, metrics.PerGroup.Select(group => group.GroupName).ToArray());

        rows = Rows(10_001, _ => { });
        for (int i = 0; i < rows.Length; i++)
            rows[i].Number = i;
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => Evaluate(View(rows), "Number")).Message,
            "Column 'Number' has more than 10000 groups, at row 10000 (counted from 0)");
    }

    /// <summary>Rows that are left out are in no group, and do not shift the others.</summary>
    [TestMethod]
    public void RowsThatAreLeftOutKeepTheOthersInTheirGroups()
    {
        Row[] rows = Rows(200, row => row.Text = row.Number < 2 ? "a" : "b");
        for (int i = 0; i < rows.Length; i += 7)
            rows[i].Score = [float.NaN, 0, 1];
        for (int i = 3; i < rows.Length; i += 11)
            rows[i].Label = 7;
        MulticlassCalibrationMetrics metrics = Evaluate(View(rows), "Text", "Number");
        Row[] kept = [.. rows.Where(row => !float.IsNaN(row.Score[0]) && row.Label < 3)];
        Assert.AreEqual(kept.Count(row => row.Text == "a"), metrics.PerGroup[0].Metrics.Count);
        Assert.AreEqual(Evaluate(View(kept)).LogLoss, metrics.LogLoss);
        Assert.AreEqual(rows.Length - kept.Length, metrics.SkippedRows);
    }

    /// <summary>A row that one view leaves out is missing in its own group, and in no other.</summary>
    [TestMethod]
    public void GroupsOfTheSameRowsAreComparedWhereARowOfAnotherGroupIsLeftOut()
    {
        MulticlassCalibrationMetrics all = Of(_ => { });
        foreach (Action<Row> leaveOut in new Action<Row>[] { row => row.Score = [float.NaN, 0, 1], row => row.Label = 7 })
        {
            MulticlassCalibrationMetrics fewer = Of(leaveOut, 4), others = Of(leaveOut, 6);
            CollectionAssert.AreEqual(new[] { 1L, 0L, 0L }, fewer.PerGroup.Select(group => group.Metrics.SkippedRows).ToArray());
            Assert.AreEqual(0.0, all.PerGroup[1].Metrics.CompareTo(fewer.PerGroup[1].Metrics, 100).LogLoss.Estimate);
            AssertRefused("on the same rows", all.PerGroup[0], fewer.PerGroup[0]);
            AssertRefused("other rows were left out", others.PerGroup[0], fewer.PerGroup[0]);
            Assert.AreEqual(0.0, Of(leaveOut, 4).PerGroup[0].Metrics.CompareTo(fewer.PerGroup[0].Metrics, 100).LogLoss.Estimate);
            CollectionAssert.AreEqual(new[] { 0L, 0L, 1L }, Of(leaveOut, 5).PerGroup.Select(group => group.Metrics.SkippedRows).ToArray());
        }

        MulticlassCalibrationMetrics Of(Action<Row> leaveOut, int at = 0)
        {
            Row[] rows = Rows(200, _ => { });
            for (int i = 0; i < rows.Length; i++)
                rows[i].Text = i % 5 == 0 ? "" : i % 2 == 0 ? "a" : "b";
            leaveOut(rows[at]);
            if (at == 0)
                rows[0] = Rows(1, row => row.Text = "")[0];
            return Evaluate(View(rows), "Text");
        }

        static void AssertRefused(string problem, GroupCalibration one, GroupCalibration other) => StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => one.Metrics.CompareTo(other.Metrics)).Message, problem);
    }

    /// <summary>Bins of the most probable classes take most of a group's memory.</summary>
    [TestMethod]
    public void TheMostGroupsDependOnTheNumberOfTopPredictions()
    {
        Row[] rows = Rows(50, _ => { });
        for (int i = 0; i < rows.Length; i++)
            rows[i].Number = i;
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(
            () => _mlContext.MulticlassClassification.EvaluateCalibration(
                View(rows), numberOfBins: 10_000, topKPredictionCount: 3, groupColumnName: "Number")).Message,
            "more than 43 groups, at row 43");

        // Rows that are left out, for want of scores or of a label, take no group's memory.
        for (int i = 30; i < rows.Length; i++)
        {
            if (i % 2 == 0)
                rows[i].Score = [float.NaN, 0, 1];
            else
                rows[i].Label = 7;
        }

        Assert.HasCount(30, _mlContext.MulticlassClassification.EvaluateCalibration(
            View(rows), numberOfBins: 10_000, topKPredictionCount: 3, groupColumnName: "Number").PerGroup);
    }

    /// <summary>Every row ten times says no more than once: by cluster the interval is that of the single rows.</summary>
    [TestMethod]
    public void RowsThatAreCopiesSayNoMoreWhereTheyAreAClusterOfTheirOwn()
    {
        Row[] once = Rows(300, _ => { });
        for (int i = 0; i < once.Length; i++)
            once[i].Number = i;
        Row[] tenfold = [.. once.SelectMany(row => Enumerable.Repeat(row, 10))];
        CalibrationComparison single = Compare(once, null), copies = Compare(tenfold, null), clustered = Compare(tenfold, "Number");
        Assert.IsNull(single.NumberOfClusters);
        Assert.AreEqual(300, clustered.NumberOfClusters);
        StringAssert.Contains(clustered.ToString(), "Differences on 3,000 rows in 300 clusters");
        foreach (Func<CalibrationComparison, ConfidenceInterval> value in new Func<CalibrationComparison, ConfidenceInterval>[]
            { one => one.LogLoss, one => one.BrierScore, one => one.Accuracy, one => one.ExpectedCalibrationError })
        {
            Assert.AreEqual(value(single).Estimate, value(clustered).Estimate, 1e-6);
            Assert.AreEqual(1, Width(value(clustered)) / Width(value(single)), .15);
            Assert.AreEqual(1 / Math.Sqrt(10), Width(value(copies)) / Width(value(single)), .15);
        }

        static double Width(ConfidenceInterval interval) => interval.Upper - interval.Lower;
    }

    /// <summary>Two models of which neither is better, on pictures of patients that are hard or easy: intervals by cluster hold 0 as often
    /// as they should, intervals by row far too seldom.</summary>
    [TestMethod]
    public void IntervalsByClusterHoldTheTruthAsOftenAsTheySay()
    {
        const int Draws = 120, Patients = 40, Pictures = 12;
        int byCluster = 0, byRow = 0;
        for (int draw = 0; draw < Draws; draw++)
        {
            var random = new Random(draw);
            List<float> a = [], b = [];
            List<int> labels = [], clusters = [];
            for (int patient = 0; patient < Patients; patient++)
            {
                // Which of the two suits this patient.
                double shift = random.NextDouble() - .5;
                for (int picture = 0; picture < Pictures; picture++)
                {
                    float ofA = (float)(.7 + .3 * shift), ofB = (float)(.7 - .3 * shift);
                    a.AddRange([ofA, 1 - ofA]);
                    b.AddRange([ofB, 1 - ofB]);
                    labels.Add(random.NextDouble() < .9 ? 0 : 1);
                    clusters.Add(patient);
                }
            }

            ConfidenceInterval clustered = Compute(clusters).CompareTo(Compute2(clusters), 200).BrierScore;
            ConfidenceInterval single = Compute([]).CompareTo(Compute2([]), 200).BrierScore;
            byCluster += clustered.Lower <= 0 && clustered.Upper >= 0 ? 1 : 0;
            byRow += single.Lower <= 0 && single.Upper >= 0 ? 1 : 0;

            MulticlassCalibrationMetrics Compute(List<int> of) => Metrics(a, labels, of);
            MulticlassCalibrationMetrics Compute2(List<int> of) => Metrics(b, labels, of);
        }

        Assert.IsGreaterThan(1e-4, BinomialTail.AtMost(byCluster, Draws, .95), $"{byCluster} of {Draws}");
        Assert.IsLessThan(.85 * Draws, byRow);

        static MulticlassCalibrationMetrics Metrics(List<float> scores, List<int> labels, List<int> clusters)
        {
            var accumulator = new CalibrationAccumulator(2, 15);
            accumulator.Add(scores.ToArray(), labels.ToArray(), default, clusters.ToArray());
            return accumulator.GetMetrics();
        }
    }

    /// <summary>All right in 20 clusters of ten copies each: as wide as that of 20 rows.</summary>
    [TestMethod]
    public void ClustersWithoutAnErrorLeaveRoomForThoseThatDidNotOccur()
    {
        ConfidenceInterval single = Difference(20, 1), clustered = Difference(20, 10);
        Assert.AreEqual(-.09, clustered.Estimate, 1e-6);
        Assert.IsGreaterThan(.05, clustered.Upper);
        Assert.AreEqual(1, (clustered.Upper - clustered.Lower) / (single.Upper - single.Lower), .15);

        static ConfidenceInterval Difference(int clusters, int copies)
        {
            return Of(.99f).CompareTo(Of(.9f)).ExpectedCalibrationError;

            MulticlassCalibrationMetrics Of(float confidence)
            {
                var accumulator = new CalibrationAccumulator(2, 15);
                int rows = clusters * copies;
                accumulator.Add([.. Enumerable.Range(0, rows).SelectMany(_ => new[] { confidence, 1 - confidence })], new int[rows],
                    default, copies == 1 ? default : [.. Enumerable.Range(0, rows).Select(row => row / copies)]);
                return accumulator.GetMetrics();
            }
        }
    }

    [TestMethod]
    public void OneClusterFewClustersMissingOnesAndManyAreHandled()
    {
        Row[] rows = Rows(60, row => row.Text = "one");
        CalibrationComparison one = Compare(rows, "Text");
        Assert.AreEqual(1, one.NumberOfClusters);
        Assert.AreEqual(-1.0, one.ExpectedCalibrationError.Lower);
        Assert.IsTrue(one.Accuracy.Lower < -.5 && one.Accuracy.Upper > .5, $"{one.Accuracy}");

        foreach (Row row in rows)
            row.Text = "";
        Assert.AreEqual(60, Compare(rows, "Text").NumberOfClusters);

        rows = Rows(25_000, _ => { });
        for (int i = 0; i < rows.Length; i++)
            rows[i].Number = i;
        CalibrationComparison many = Compare(rows, "Number"), byRow = Compare(rows, null);
        Assert.AreEqual(25_000, many.NumberOfClusters);
        Assert.AreEqual(byRow.LogLoss.Upper - byRow.LogLoss.Lower, many.LogLoss.Upper - many.LogLoss.Lower,
            .12 * (byRow.LogLoss.Upper - byRow.LogLoss.Lower));
    }

    [TestMethod]
    public void OtherClustersAreRefused()
    {
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Evaluate(View(Rows(5, _ => { })), group: "")).Message,
            "The group column needs a name");
        Row[] rows = Rows(50, row => row.Text = row.Number > 2 ? "a" : "b");
        MulticlassCalibrationMetrics by = Evaluate(View(rows), null, "Text");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(
            () => by.CompareTo(Evaluate(View(rows), null, "Number"))).Message, "different ones");
        Assert.IsNotNull(by.CompareTo(Evaluate(View(rows))).NumberOfClusters);
    }

    private CalibrationComparison Compare(Row[] rows, string? clusters) =>
        Evaluate(View(rows), null, clusters).CompareTo(Evaluate(View([.. rows.Select(row => row.Blurred())]), null, clusters), 400);

    private MulticlassCalibrationMetrics Evaluate(IDataView data, string? group = null, string? cluster = null) =>
        _mlContext.MulticlassClassification.EvaluateCalibration(data, groupColumnName: group, clusterColumnName: cluster);

    private IDataView View(Row[] rows) => _mlContext.Data.LoadFromEnumerable(rows);

    private static Row[] Rows(int count, Action<Row> change)
    {
        var random = new Random(3);
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            float[] scores = [random.NextSingle(), random.NextSingle(), random.NextSingle()];
            float sum = scores.Sum();
            var row = new Row
            {
                Score = [.. scores.Select(score => score / sum)], Label = (uint)random.Next(3), Number = random.Next(-1, 5),
            };
            change(row);
            return row;
        })];
    }

    private sealed class Row : GroupedRow
    {
        [KeyType(3)]
        public uint Label { get; set; }

        [VectorType(3)]
        public float[] Score { get; set; } = [];

        /// <summary>What another model says: nearer to ⅓.</summary>
        public Row Blurred() => new()
        {
            Label = Label, Text = Text, Number = Number, Score = [.. Score.Select((score, k) => .5f * score + .5f * Score[(k + 1) % 3])],
        };
    }
}
