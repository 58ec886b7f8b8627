using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>Metrics of a binary model by group.</summary>
[TestClass]
public sealed class BinaryGroupTests
{
    private readonly MLContext _mlContext = new(seed: 1);

    /// <summary>Each group's metrics and intervals are those of its rows alone; rows without a value are a group.</summary>
    [TestMethod]
    public void AGroupIsMeasuredAsItsRowsAloneWouldBe()
    {
        Row[] rows = Rows(600, row => row.Text = row.Number < 0 ? "" : row.Number < 3 ? "north" : "a south");
        BinaryCalibrationMetrics all = Evaluate(View(rows), "Text");
        CollectionAssert.AreEqual(new[] { "a south", "north", "" }, all.PerGroup.Select(group => group.GroupName).ToArray());
        Assert.AreEqual(all.Count, all.PerGroup.Sum(group => group.Metrics.Count));
        Assert.AreEqual(all.LogLoss, all.PerGroup.Sum(group => group.Metrics.Count * group.Metrics.LogLoss) / all.Count, 1e-9);
        foreach (BinaryGroupCalibration group in all.PerGroup)
        {
            BinaryCalibrationMetrics alone = Evaluate(View([.. rows.Where(row => row.Text == group.GroupName)]));
            Assert.AreEqual(alone.ToString(), group.Metrics.ToString());
            Assert.AreEqual(alone.Bootstrap(200).ToString(), group.Metrics.Bootstrap(200).ToString());
            Assert.AreEqual(0.0, alone.CompareTo(group.Metrics, 100).LogLoss.Estimate);
            Assert.IsEmpty(group.Metrics.PerGroup);
        }

        Assert.AreEqual(Evaluate(View(rows)).ToString(), all.ToString());
        Assert.AreEqual(Evaluate(View(rows)).Bootstrap(200).ToString(), all.Bootstrap(200).ToString());
        Assert.IsEmpty(Evaluate(View(rows)).PerGroup);
    }

    [TestMethod]
    public void GroupsMayBeOfAnyTypeOfSingleValues()
    {
        Row[] rows = Rows(300, row =>
        {
            row.SetAll();
            row.Text = row.Number > 1 ? "b" : "a";
            row.Key = (uint)(1 + row.Number);
        });
        IDataView data = _mlContext.Transforms.Conversion.MapValueToKey("Named", "Text").Fit(View(rows)).Transform(View(rows));
        CollectionAssert.AreEqual(new[] { "0", "1", "2", "3", "4", "" }, Names("Real"));
        CollectionAssert.AreEqual(new[] { "-1", "0", "1", "2", "3", "4" }, Names("Number"));
        CollectionAssert.AreEqual(new[] { "False", "True" }, Names("Flag"));
        CollectionAssert.AreEqual(new[] { "2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05" }, Names("Date"));
        CollectionAssert.AreEquivalent(new[] { "a", "b" }, Names("Named"));
        CollectionAssert.AreEqual(new[] { "0", "1", "2", "3", "4", "" }, Names("Key"));     // key 0 is a missing value
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Evaluate(data, "Vector")).Message,
            "Column 'Vector': expected the group of each row");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Evaluate(data, "Nowhere")).Message, "Nowhere");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Evaluate(data, "")).Message, "The group column needs a name");

        string[] Names(string column) => [.. Evaluate(data, column).PerGroup.Select(group => group.GroupName)];
    }

    /// <summary>Groups of one row, of positive or negative rows alone, and very many of them.</summary>
    [TestMethod]
    public void SmallAndManyGroupsAreMeasured()
    {
        Row[] rows = Rows(900, row => row.Text = row.Label ? "ill" : "well");
        BinaryCalibrationMetrics byOutcome = Evaluate(View(rows), "Text");
        Assert.AreEqual(1.0, byOutcome.PerGroup[0].Metrics.PositiveRate);
        Assert.AreEqual(0.0, byOutcome.PerGroup[1].Metrics.PositiveRate);
        Assert.IsGreaterThan(.1, byOutcome.PerGroup[0].Metrics.Bootstrap(100).ExpectedCalibrationError.Lower);

        for (int i = 0; i < rows.Length; i++)
            rows[i].Number = i / 2;
        rows[0].Number = 10_000;
        BinaryCalibrationMetrics metrics = Evaluate(View(rows), "Number");
        Assert.HasCount(451, metrics.PerGroup);
        BinaryCalibrationMetrics single = metrics.PerGroup[^1].Metrics;
        Assert.AreEqual(1, single.Count);
        BinaryCalibrationIntervals intervals = single.Bootstrap(100);
        Assert.IsTrue(intervals.PositiveRate.Upper - intervals.PositiveRate.Lower > .9, "one row says next to nothing");
        Assert.IsTrue(intervals.LogLoss.Lower <= single.LogLoss && single.LogLoss <= intervals.LogLoss.Upper);

        rows = Rows(10_001, _ => { });
        for (int i = 0; i < rows.Length; i++)
            rows[i].Number = i;
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => Evaluate(View(rows), "Number")).Message,
            "Column 'Number' has more than 10000 groups, at row 10000 (counted from 0)");
        Assert.AreEqual("numberOfBins", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() =>
            _mlContext.BinaryClassification.EvaluateCalibration(View(rows), numberOfBins: 0, groupColumnName: "Text")).ParamName);
    }

    /// <summary>Rows that are left out are in no group; groups and clusters go together, whichever column comes first.</summary>
    [TestMethod]
    public void RowsThatAreLeftOutAreInNoGroupAndClustersAreKept()
    {
        Row[] rows = Rows(200, row => row.Text = row.Number < 2 ? "a" : "b");
        for (int i = 0; i < rows.Length; i += 7)
            (rows[i].Probability, rows[i].Text) = (float.NaN, "never");
        BinaryCalibrationMetrics metrics = _mlContext.BinaryClassification.EvaluateCalibration(
            View(rows), groupColumnName: "Text", clusterColumnName: "Number");
        CollectionAssert.AreEqual(new[] { "a", "b" }, metrics.PerGroup.Select(group => group.GroupName).ToArray());
        Assert.AreEqual(rows.Count(row => row.Text == "a"), metrics.PerGroup[0].Metrics.Count);
        Assert.AreEqual(3, metrics.PerGroup[0].Metrics.Bootstrap(100).NumberOfClusters);
        Assert.AreEqual(6, metrics.Bootstrap(100).NumberOfClusters);
        Assert.IsNull(Evaluate(View(rows), "Text").PerGroup[0].Metrics.Bootstrap(100).NumberOfClusters);
    }

    /// <summary>A row that one view leaves out is missing in its own group, and in no other.</summary>
    [TestMethod]
    public void GroupsOfTheSameRowsAreComparedWhereARowOfAnotherGroupIsLeftOut()
    {
        BinaryCalibrationMetrics all = Of(null), fewer = Of(4), others = Of(6);
        CollectionAssert.AreEqual(new[] { 1L, 0L }, fewer.PerGroup.Select(group => group.Metrics.SkippedRows).ToArray());
        Assert.AreEqual(0.0, all.PerGroup[1].Metrics.CompareTo(fewer.PerGroup[1].Metrics, 100).LogLoss.Estimate);
        Assert.ThrowsExactly<ArgumentException>(() => all.PerGroup[0].Metrics.CompareTo(fewer.PerGroup[0].Metrics));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(
            () => others.PerGroup[0].Metrics.CompareTo(fewer.PerGroup[0].Metrics)).Message, "other rows were left out");

        BinaryCalibrationMetrics Of(int? left)
        {
            Row[] rows = Rows(200, _ => { });
            for (int i = 0; i < rows.Length; i++)
                (rows[i].Text, rows[i].Probability) = (i % 2 == 0 ? "a" : "b", i == left ? float.NaN : rows[i].Probability);
            return Evaluate(View(rows), "Text");
        }
    }

    private BinaryCalibrationMetrics Evaluate(IDataView data, string? group = null) =>
        _mlContext.BinaryClassification.EvaluateCalibration(data, groupColumnName: group);

    private IDataView View(Row[] rows) => _mlContext.Data.LoadFromEnumerable(rows);

    private static Row[] Rows(int count, Action<Row> change)
    {
        var random = new Random(3);
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            float p = random.NextSingle();
            var row = new Row { Probability = p, Label = random.NextSingle() < p, Number = random.Next(-1, 5) };
            change(row);
            return row;
        })];
    }

    private sealed class Row : GroupedRow
    {
        public bool Label { get; set; }

        public float Probability { get; set; }

        [KeyType(5)]
        public uint Key { get; set; }

        [VectorType(2)]
        public float[] Vector { get; set; } = [0, 0];
    }
}
