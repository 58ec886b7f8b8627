using System.Xml.Linq;
using Microsoft.ML.Data;
using static Microsoft.ML.SharpnessAware.Tests.Calibration.SavedReports;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>What a report says where rows belong together: nothing that it could only know if they did not.</summary>
[TestClass]
public sealed class ClusteredReportTests
{
    private const int Copies = 50;

    private readonly MLContext _mlContext = new(seed: 1);

    private MulticlassDecisionsCatalog Decisions => _mlContext.MulticlassClassification.Decisions;

    /// <summary>Of 20 patients with 50 rows each the model says 80 % and is right of 15: as 20 rows would say it.</summary>
    [TestMethod]
    public void AHeadlineKnowsAsMuchAsThereAreClusters()
    {
        IDataView data = Copied([.. Enumerable.Range(0, 20).Select(i => (i % 4 == 0 ? 1 : 0, new[] { .8f, .1f, .1f }))]);
        StringAssert.Contains(Headline(data, null), "overconfident by 5.0 points");
        string clustered = Headline(data, "Patient");
        StringAssert.Contains(clustered, "right on average, as far as 20 clusters of rows can tell (± ");
        // 1.96 standard errors of 20 rows are 19.0 points; of a spread that is measured on 20 it is Student's 2.09.
        Assert.AreEqual(20, double.Parse(clustered.Split('±')[1].Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture), 1.5);

        // Sure and wrong in half of 200 clusters: that is no chance.
        IDataView sure = Copied([.. Enumerable.Range(0, 200).Select(i => (i % 2, new[] { .95f, .03f, .02f }))]);
        StringAssert.Contains(Headline(sure, "Patient"), "overconfident by 45.0 points");
        StringAssert.Contains(Headline(_mlContext.Data.TakeRows(sure, Copies), "Patient"), "as far as 1 cluster of rows can tell");

        string Headline(IDataView view, string? clusters) => PlainWords.Headline(
            _mlContext.MulticlassClassification.EvaluateCalibration(view, clusterColumnName: clusters));
    }

    /// <summary>Of each of 20 patients the model is right in 89 of 100 pictures, and says 95 %: that is no chance of patients.</summary>
    [TestMethod]
    public void AGapThatAllClustersShareIsTold()
    {
        var accumulator = new CalibrationAccumulator(2, 15);
        for (int row = 0; row < 2000; row++)
            accumulator.Add([.95f, .05f], [row % 100 < 89 ? 0 : 1], default, [row / 100]);

        StringAssert.Contains(PlainWords.Headline(accumulator.GetMetrics()), "overconfident by 6.0 points");
    }

    /// <summary>A calibrated model that says another number of each patient, whose pictures are all right or all wrong.</summary>
    [TestMethod]
    [DataRow(6)]
    [DataRow(12)]
    [DataRow(60)]
    public void ACalibratedModelIsSeldomCalledTooSureWhereEachClusterHasItsOwnConfidence(int patients)
    {
        const int Draws = 300, Rows = 20;
        int accused = 0;
        for (int draw = 0; draw < Draws; draw++)
        {
            var random = new Random(draw);
            var accumulator = new CalibrationAccumulator(2, 15);
            for (int patient = 0; patient < patients; patient++)
            {
                float confidence = .55f + .4f * (patient + .5f) / patients;
                int label = random.NextDouble() < confidence ? 0 : 1;
                for (int row = 0; row < Rows; row++)
                    accumulator.Add([confidence, 1 - confidence], [label], default, [patient]);
            }

            accused += PlainWords.Headline(accumulator.GetMetrics()).Contains("right on average", StringComparison.Ordinal) ? 0 : 1;
        }

        Assert.IsLessThan(Draws / 20 + 4 * Math.Sqrt(Draws * .05 * .95), accused);
    }

    /// <summary>80 of 100 patients have a set that holds the class, where 85 % were asked.</summary>
    [TestMethod]
    public void SetsAreJudgedByClusters()
    {
        ScoredRows rows = ScoredRows.Confused(1000);
        PredictionSetTransformer sets = Decisions.PredictionSets(.85).Fit(rows.View(_mlContext));
        bool[] holds = [.. sets.Transform(rows.View(_mlContext)).GetColumn<uint[]>("PredictionSet")
            .Select((set, row) => set.Contains((uint)rows.Labels[row] + 1))];
        IDataView decided = sets.Transform(Copied(rows, Choose(holds, 80), Choose(holds, 20, without: true)));
        StringAssert.Contains(Page(decided, null).Value, "fewer than asked, by more than chance");
        XElement page = Page(decided, "Patient");
        StringAssert.Contains(page.Value, "80.0 % do: as asked, as far as 100 clusters of rows can tell.");
        Assert.DoesNotContain("exact 95 % interval", page.Value);
        StringAssert.Contains(page.Value, "with the 95 % interval of 100 clusters of rows");
        AssertAsWideAs(BinomialTail.Interval(80, 100), page, "Coverage got");
        StringAssert.Contains(page.Value, "Intervals of classes and sizes take rows as independent.");

        PredictionSetMetrics metrics = _mlContext.MulticlassClassification.EvaluatePredictionSets(decided, clusterColumnName: "Patient");
        AssertAsWideAs(metrics.CoverageInterval, page, "Coverage got");
        Assert.AreEqual(100, metrics.NumberOfClusters);
        StringAssert.EndsWith(metrics.ToString(), " rows in 100 clusters");
        Assert.IsNull(_mlContext.MulticlassClassification.EvaluatePredictionSets(decided).NumberOfClusters);
    }

    /// <summary>What sets hold that were fitted on 1,000 rows, of so many patients, each whole or not at all.</summary>
    [TestMethod]
    [DataRow(.9, 200, 10, 200, "more than asked, by more than chance")]
    [DataRow(.9, 100, 10, 100, "more than asked, by more than chance")]
    [DataRow(.9, 60, 100, 60, "as asked, as far as 60 clusters of rows can tell")]   // fitted on ten such clusters, so to speak
    [DataRow(.9, 200, 10, 150, "fewer than asked, by more than chance")]
    [DataRow(.9, 20, 100, 20, "as asked, as far as 20 clusters of rows can tell")]
    [DataRow(.99, 1, 1000, 0, "as asked, as far as 1 cluster of rows can tell")]
    [DataRow(.9, 2, 100, 1, "as asked, as far as 2 clusters of rows can tell")]
    public void SetsOfFewClustersAreNotAccusedAndThoseOfManyCoveredOnesAreTold(
        double asked, int patients, int rowsEach, int covered, string verdict)
    {
        ScoredRows rows = ScoredRows.Confused(1000);
        PredictionSetTransformer sets = Decisions.PredictionSets(asked).Fit(rows.View(_mlContext));
        bool[] holds = [.. sets.Transform(rows.View(_mlContext)).GetColumn<uint[]>("PredictionSet")
            .Select((set, row) => set.Contains((uint)rows.Labels[row] + 1))];
        int with = Array.IndexOf(holds, true), without = Array.IndexOf(holds, false);
        IDataView decided = sets.Transform(Copied(rowsEach, [.. Enumerable.Range(0, patients).Select(patient =>
            patient < covered ? with : without).Select(row => (rows.Labels[row], rows.Row(row)))]));

        StringAssert.Contains(Page(decided, "Patient").Value, verdict);
    }

    /// <summary>80 of 100 patients whose rows are accepted are predicted right, where 85 % were asked.</summary>
    [TestMethod]
    public void AbstentionIsJudgedByClusters()
    {
        ScoredRows rows = ScoredRows.Drawn(3000, new[,] { { 2.0, 0, 0 }, { 0, 2, 0 }, { 0, 0, 2 } }, [0, 0, 0]);
        AbstentionTransformer abstention = Decisions.Abstain(.85).Fit(rows.View(_mlContext));
        bool[] accepted = [.. abstention.Transform(rows.View(_mlContext)).GetColumn<bool>("Accepted")];
        bool[] right = [.. rows.Labels.Select((label, row) => Array.IndexOf(rows.Row(row), rows.Row(row).Max()) == label)];
        IDataView decided = abstention.Transform(Copied(rows,
            Choose([.. accepted.Zip(right, (a, r) => a && r)], 80), Choose([.. accepted.Zip(right, (a, r) => a && !r)], 20)));
        StringAssert.Contains(Page(decided, null).Value, "85 % were asked, and the difference is more than chance.");
        XElement page = Page(decided, "Patient");
        StringAssert.Contains(page.Value, "85 % were asked.");
        Assert.DoesNotContain("exact 95 % interval", page.Value);
        AssertAsWideAs(BinomialTail.Interval(80, 100), page, "Accuracy on these");
        AssertAsWideAs(BinomialTail.Interval(100, 100), page, "Accepted");
        Assert.AreEqual("–", Cell(page, "Accuracy on the others").Value);

        AbstentionMetrics metrics = _mlContext.MulticlassClassification.EvaluateAbstention(decided, clusterColumnName: "Patient");
        AssertAsWideAs(metrics.AcceptedAccuracy, page, "Accuracy on these");
        Assert.AreEqual(100, metrics.NumberOfClusters);
        StringAssert.Contains(metrics.ToString(), " rows in 100 clusters (");
        Assert.IsNull(_mlContext.MulticlassClassification.EvaluateAbstention(decided).NumberOfClusters);
    }

    [TestMethod]
    public void ATestThatTakesRowsAsIndependentSaysSo()
    {
        IDataView data = Copied([.. Enumerable.Range(0, 20).Select(i => (i % 4 == 0 ? 1 : 0, new[] { .8f, .1f, .1f }))]);
        StringAssert.Contains(Explanation(null), "one calibrated model in twenty is below 5 %");
        StringAssert.Contains(Explanation("Patient"), "rows of a cluster are not independent");
        Assert.DoesNotContain("below 5 %", Explanation("Patient"));

        Assert.DoesNotContain("independent", Explanation(null, "… from calibration"));
        StringAssert.Contains(Explanation("Patient", "… from calibration"), "as if the rows of a cluster were independent");

        string Explanation(string? clusters, string line = "Spiegelhalter's p") => Page(data, clusters).Descendants("th")
            .Single(head => head.Value.StartsWith(line, StringComparison.Ordinal)).Value;
    }

    /// <summary>The clusters of each comparison are those of whichever of the two models names them.</summary>
    [TestMethod]
    [DataRow("a", "b", "c")]
    [DataRow("a", "c", "b")]
    public void TheCaptionOfDifferencesSpeaksForEachModel(params string[] names)
    {
        IDataView data = Copied([.. Enumerable.Range(0, 20).Select(i => (i % 4 == 0 ? 1 : 0, new[] { .8f, .1f, .1f }))]);
        CalibrationReport report = new(_mlContext);
        foreach (string name in names)
            report.Add(name, _mlContext.MulticlassClassification.EvaluateCalibration(
                data, clusterColumnName: name == "b" ? "Patient" : null));
        string text = Save(report).Value;
        StringAssert.Contains(text, "the 20 clusters of rows (b)");
        StringAssert.Contains(text, "these rows (c)");

        string same = Save(new CalibrationReport(_mlContext).Add("a", data, clusterColumnName: "Patient").Add("b", data)
            .Add("c", data)).Value;
        StringAssert.Contains(same, "more than chance, as far as the 20 clusters of rows are independent.");
    }

    private static int[] Choose(bool[] among, int count, bool without = false) =>
        [.. Enumerable.Range(0, among.Length).Where(row => among[row] != without).Take(count)];

    private static XElement Cell(XElement page, string measure) => page.Descendants("tr")
        .Last(row => row.Element("th") is XElement head && head.FirstNode is XText text && text.Value == measure).Element("td")!;

    private static void AssertAsWideAs(ConfidenceInterval expected, XElement page, string measure)
    {
        double[] ends = [.. Cell(page, measure).Element("div")!.Value.Split('–').Select(end =>
            double.Parse(end.Replace("%", "").Trim(), System.Globalization.CultureInfo.InvariantCulture) / 100)];
        Assert.AreEqual(expected.Lower, ends[0], .02);
        Assert.AreEqual(expected.Upper, ends[1], .02);
    }

    private XElement Page(IDataView data, string? clusters) =>
        Save(new CalibrationReport(_mlContext).Add("m", data, clusterColumnName: clusters));

    private IDataView Copied(ScoredRows rows, params int[][] chosen) =>
        Copied([.. chosen.SelectMany(some => some).Select(row => (rows.Labels[row], rows.Row(row)))]);

    private IDataView Copied((int Label, float[] Score)[] rows) => Copied(Copies, rows);

    private IDataView Copied(int copies, (int Label, float[] Score)[] rows) => _mlContext.Data.LoadFromEnumerable(rows.SelectMany(
        (row, patient) => Enumerable.Repeat(new PatientRow { Label = (uint)row.Label, Score = row.Score, Patient = patient }, copies))
        .ToArray());

    private sealed class PatientRow
    {
        [KeyType(3)]
        public uint Label { get; set; }

        [VectorType(3)]
        public float[] Score { get; set; } = [];

        public int Patient { get; set; }
    }
}
