using System.Xml.Linq;
using Microsoft.ML.Data;
using SkiaSharp;
using static Microsoft.ML.SharpnessAware.Tests.Calibration.SavedReports;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>What a report says of prediction sets, abstention, groups and binary models.</summary>
[TestClass]
public sealed class DecisionReportTests
{
    private static readonly string[] Names = ["cat", "dog", "eel"];

    private readonly MLContext _mlContext = new(seed: 1);

    /// <summary>Sets of 2, 3, 1, 0 and 2 classes, of which the first, second, third and last hold the right one.</summary>
    private IDataView Decided => Keys(_mlContext.Data.LoadFromEnumerable(
    [
        new Row { Name = "cat", Score = [.5f, .3f, .2f], Set = [1, 2], Accepted = true, Camera = "left" },
        new Row { Name = "dog", Score = [.4f, .35f, .25f], Set = [1, 2, 3], Accepted = false, Camera = "left" },
        new Row { Name = "eel", Score = [.1f, .1f, .8f], Set = [3], Accepted = true, Camera = "right" },
        new Row { Name = "dog", Score = [.34f, .33f, .33f], Set = [], Accepted = false, Camera = "" },
        new Row { Name = "eel", Score = [.5f, .1f, .4f], Set = [1, 3], Accepted = true, Camera = "right" },
        new Row { Name = "yak", Score = [.5f, .1f, .4f], Set = [1, 2, 3], Accepted = true, Camera = "right" },
    ]));

    [TestMethod]
    public void SetsAreMeasuredAndTheLargestAreShownWithTheirPictures()
    {
        XElement page = Save(new CalibrationReport(_mlContext).Add("m", Decided, numberOfExamples: 2));
        XElement[] cells = Table(page, "Prediction sets");
        CollectionAssert.AreEqual(
            new[] { "Coverage got", "Mean size", "Sets of one class", "Empty sets", "Largest gap of a class", "Largest gap of a size" },
            cells.Select(row => ((XText)row.Element("th")!.FirstNode!).Value).ToArray());
        ConfidenceInterval coverage = BinomialTail.Interval(4, 5);
        CollectionAssert.AreEqual(
            new[] { FormattableString.Invariant($"80.00 %{coverage.Lower:P2} – {coverage.Upper:P2}"), "1.60", "20.00 %", "20.00 %",
                "30.0 points", "20.0 points" },
            cells.Select(row => row.Element("td")!.Value).ToArray());
        foreach (XElement gap in cells[^2..])
            StringAssert.Contains(gap.Element("th")!.Value, "few rows", "a gap that may be chance says so");
        StringAssert.Contains(page.Value, "Of the prediction sets 80.0 % hold the right class. They hold 1.60 classes on average.");

        XElement list = page.Descendants("h3").Single(h3 => h3.Value == "Largest sets").ElementsAfterSelf("ol").First();
        CollectionAssert.AreEqual(new[] { "3 classes: cat, dog, eelis dogrow 1", "2 classes: cat, dogis catrow 0" },
            list.Elements("li").Select(item => item.Value).ToArray());
        Assert.HasCount(2, list.Descendants("img"));
        Assert.AreEqual(new SKColor(2, 0, 0), SKBitmap.Decode(Convert.FromBase64String(
            list.Descendants("img").First().Attribute("src")!.Value.Split(",")[1])).GetPixel(0, 0));
        Assert.HasCount(3, Table(page, "Coverage by class", "h4"));
        CollectionAssert.AreEqual(new[] { "0", "1", "2", "3" },
            Table(page, "Coverage by size", "h4").Select(row => row.Element("td")!.Value).ToArray());
    }

    /// <summary>A set of one class says what the prediction says, and an empty one nothing.</summary>
    [TestMethod]
    public void SetsOfLessThanTwoClassesAreNoneOfTheLargest()
    {
        XElement page = Save(new CalibrationReport(_mlContext).Add("m", Decided, imageColumnName: "", numberOfExamples: 5));
        CollectionAssert.AreEqual(
            new[] { "3 classes: cat, dog, eelis dogrow 1", "2 classes: cat, dogis catrow 0", "2 classes: cat, eelis eelrow 4" },
            page.Descendants("h3").Single(h3 => h3.Value == "Largest sets").ElementsAfterSelf("ol").First().Elements("li")
                .Select(item => item.Value).ToArray());
    }

    [TestMethod]
    public void AbstentionIsMeasured()
    {
        XElement page = Save(new CalibrationReport(_mlContext).Add("m", Decided, imageColumnName: ""));
        XElement[] cells = Table(page, "Abstention");
        CollectionAssert.AreEqual(new[] { "60.00 %", "66.67 %", "0.00 %" },
            cells.Select(row => ((XText)row.Element("td")!.FirstNode!).Value).ToArray());
        StringAssert.Contains(page.Value, "Abstention accepts 60.0 % of the rows, and the model is right in 66.7 % of these.");
        Assert.AreEqual("Accepts 3 of 5 rows (" + BinomialTail.Interval(3, 5) + "), accuracy on these " + BinomialTail.Interval(2, 3)
            + ", on the others " + BinomialTail.Interval(0, 2), _mlContext.MulticlassClassification.EvaluateAbstention(Decided).ToString());
    }

    [TestMethod]
    public void WhatWasAskedIsHeldAgainstWhatIsGot()
    {
        IDataView fitted = ScoredRows.Drawn(1000, Weights(1), [0, 0, 0]).View(_mlContext, names: true);
        IDataView test = ScoredRows.Drawn(1000, Weights(1), [0, 0, 0], seed: 2).View(_mlContext, names: true);
        MulticlassDecisionsCatalog decisions = _mlContext.MulticlassClassification.Decisions;
        IDataView decided = decisions.Abstain(.6).Fit(fitted).Transform(decisions.PredictionSets(.85).Fit(fitted).Transform(test));

        XElement page = Save(new CalibrationReport(_mlContext).Add("m", decided));

        Assert.AreEqual("85.00 %", Table(page, "Prediction sets")[0].Element("td")!.Value);
        StringAssert.Contains(Table(page, "Abstention")[0].Value, "with a confidence of 95 %.60.00 %");
        StringAssert.Contains(page.Value, "as asked, as far as 1,000 rows can tell.");
        Assert.AreEqual(.85, _mlContext.MulticlassClassification.EvaluatePredictionSets(decided).CoverageAsked);
        Assert.AreEqual(.6, _mlContext.MulticlassClassification.EvaluateAbstention(decided).AccuracyAsked);
        Assert.HasCount(4 + 2, page.Descendants("svg"));

        // Sets that were fitted on rows of another kind.
        IDataView other = ScoredRows.Drawn(1000, Weights(3), [0, 0, 0]).View(_mlContext, names: true);
        page = Save(new CalibrationReport(_mlContext).Add("m", decisions.PredictionSets(.85).Fit(other).Transform(
            ScoredRows.Drawn(1000, Weights(.3), [0, 0, 0], seed: 3).View(_mlContext, names: true))));
        StringAssert.Contains(page.Value, "fewer than asked, by more than chance");
    }

    /// <summary>Rows of one kind for the fit and the measure: chance alone makes one of both verdicts in at most one of twenty.</summary>
    [TestMethod]
    [DataRow(false, 200)]
    [DataRow(false, 1000)]
    [DataRow(true, 500)]
    public void SetsThatKeepTheirPromiseAreSeldomAccused(bool perClass, int fitted)
    {
        const int Draws = 200;
        int accused = 0;
        for (int draw = 0; draw < Draws; draw++)
        {
            PredictionSetTransformer sets = _mlContext.MulticlassClassification.Decisions.PredictionSets(.9, perClass: perClass)
                .Fit(ScoredRows.Drawn(fitted, Weights(1), [0, 0, 0], seed: 2 * draw).View(_mlContext));
            PredictionSetMetrics metrics = _mlContext.MulticlassClassification.EvaluatePredictionSets(sets.Transform(
                ScoredRows.Drawn(2000, Weights(1), [0, 0, 0], seed: 2 * draw + 1).View(_mlContext)));
            accused += PlainWords.Sets(metrics).Contains("more than chance", StringComparison.Ordinal) ? 1 : 0;
        }

        Assert.IsLessThan(Draws / 20 + 4 * Math.Sqrt(Draws * .05 * .95), accused);
    }

    /// <summary>Abstention is to keep its promise in 95 of 100 fits.</summary>
    [TestMethod]
    public void AbstentionThatKeepsItsPromiseIsSeldomAccused()
    {
        const int Draws = 200;
        int accused = 0;
        for (int draw = 0; draw < Draws; draw++)
        {
            AbstentionTransformer abstention = _mlContext.MulticlassClassification.Decisions.Abstain(.75)
                .Fit(ScoredRows.Drawn(500, Weights(1), [0, 0, 0], seed: 2 * draw).View(_mlContext));
            AbstentionMetrics metrics = _mlContext.MulticlassClassification.EvaluateAbstention(abstention.Transform(
                ScoredRows.Drawn(2000, Weights(1), [0, 0, 0], seed: 2 * draw + 1).View(_mlContext)));
            Assert.IsGreaterThan(0, metrics.AcceptedCount);
            accused += PlainWords.Abstention(metrics).Contains("more than chance", StringComparison.Ordinal) ? 1 : 0;
        }

        Assert.IsLessThan(Draws / 20 + 4 * Math.Sqrt(Draws * .05 * .95), accused);
    }

    /// <summary>A row without scores has no set and no decision; the report leaves it out, as it says.</summary>
    [TestMethod]
    [DataRow(120)]
    [DataRow(5_000)]
    public void RowsWithoutScoresAreLeftOutOfWhatIsDecidedToo(int rows)
    {
        ScoredRows all = ScoredRows.Confused(rows);
        float[] scores = [.. all.Scores];
        scores[3 * (rows - 7) + 1] = float.NaN;
        IDataView good = all.View(_mlContext, names: true), bad = (all with { Scores = scores }).View(_mlContext, names: true);
        MulticlassDecisionsCatalog decisions = _mlContext.MulticlassClassification.Decisions;
        ITransformer deciding = decisions.PredictionSets(.9).Fit(good).Append(decisions.Abstain(.5).Fit(good));
        XElement page = Save(new CalibrationReport(_mlContext).Add("m", deciding.Transform(bad)));
        Assert.AreEqual((rows - 1).ToString("N0", System.Globalization.CultureInfo.InvariantCulture), Table(page, "Coverage by class", "h4")
            .Sum(row => int.Parse(row.Element("td")!.Value.Replace(",", ""), System.Globalization.CultureInfo.InvariantCulture))
            .ToString("N0", System.Globalization.CultureInfo.InvariantCulture));
        XElement[] numbers = [.. page.Descendants("table").First().Element("tbody")!.Elements("tr")];
        Assert.AreEqual("1", numbers.Single(row => row.Value.StartsWith("Rows left out", StringComparison.Ordinal)).Element("td")!.Value);
        Assert.HasCount(1, page.Descendants("h3").Where(h3 => h3.Value == "Abstention"));
    }

    /// <summary>Sets that another transform made do not throw; that of the row without scores is none of the largest.</summary>
    [TestMethod]
    public void ASetOfARowWithoutScoresIsNotShown()
    {
        IDataView data = Keys(_mlContext.Data.LoadFromEnumerable(
        [
            new Row { Name = "cat", Score = [.5f, .3f, .2f], Set = [1, 2], Accepted = true },
            new Row { Name = "dog", Score = [float.NaN, .3f, .2f], Set = [1, 2, 3], Accepted = true },
        ]));
        XElement page = Save(new CalibrationReport(_mlContext).Add("m", data, imageColumnName: ""));
        XElement list = page.Descendants("h3").Single(h3 => h3.Value == "Largest sets").ElementsAfterSelf("ol").First();
        Assert.AreEqual("2 classes: cat, dogis catrow 0", list.Elements("li").Single().Value);
    }

    [TestMethod]
    public void GroupsAreATable()
    {
        XElement page = Save(new CalibrationReport(_mlContext).Add("m", Decided, groupColumnName: "Camera"));
        XElement[] rows = Table(page, "Groups");
        CollectionAssert.AreEqual(new[] { "All rows5", "left2", "right2", "(missing)1" },
            rows.Select(row => row.Element("th")!.Value + row.Element("td")!.Value).ToArray());
        Assert.AreEqual("50.00 %", ((XText)rows[1].Elements("td").ElementAt(1).FirstNode!).Value);
    }

    [TestMethod]
    public void ColumnsCanBeLeftOutOrNamedAndWrongOnesAreRefused()
    {
        XElement page = Save(new CalibrationReport(_mlContext).Add("m", Decided, predictionSetColumnName: "", acceptedColumnName: ""));
        Assert.DoesNotContain("Abstention", page.Value);
        Assert.DoesNotContain("Prediction sets", page.Value);
        CalibrationReport report = new(_mlContext);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => report.Add("m", Decided, predictionSetColumnName: "Score")).Message, "vector of keys");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => report.Add("m", Decided, acceptedColumnName: "Score")).Message, "expected Boolean");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => report.Add("m", Decided, groupColumnName: "Score")).Message, "expected the group of each row");
    }

    [TestMethod]
    public void ABinaryModelHasItsReport()
    {
        IDataView data = _mlContext.Data.LoadFromEnumerable(
        [
            new BinaryRow { Label = true, Probability = .9f }, new BinaryRow { Label = false, Probability = .95f },
            new BinaryRow { Label = true, Probability = .02f }, new BinaryRow { Label = false, Probability = .5f },
            new BinaryRow { Label = false, Probability = .1f },
        ]);
        CalibrationReport report = new CalibrationReport(_mlContext).AddBinary("one", data);
        BinaryCalibrationMetrics metrics = _mlContext.BinaryClassification.EvaluateCalibration(data);
        XElement page = Save(report);
        StringAssert.Contains(page.Value,
            "Says positive with 49.4 % on average, and 40.0 % are: right on average, as far as 5 rows can tell");
        XElement[] rows = [.. page.Descendants("table").First().Element("tbody")!.Elements("tr")];
        string[] names = [.. rows.Select(row => ((XText)row.Element("th")!.FirstNode!).Value)];
        CollectionAssert.IsSubsetOf(new[] { "Share positive", "Mean probability", "ECE", "Brier score", "Log loss" }, names);
        Assert.IsFalse(names.Any(name => name.Contains("Accuracy") || name.Contains("AURC") || name.Contains("Kept")));
        StringAssert.StartsWith(rows[Array.IndexOf(names, "Brier score")].Element("td")!.Value,
            FormattableString.Invariant($"{metrics.BrierScore:F4}"));
        CollectionAssert.AreEqual(
            new[] { "98.0 % negativeis positive, given 2.0 %row 2", "95.0 % positiveis negative, given 5.0 %row 1",
                "50.0 % positiveis negative, given 50.0 %row 3", "90.0 % positiverow 0", "90.0 % negativerow 4" },
            page.Descendants("li").Select(item => item.Value).ToArray());
        Assert.HasCount(2, page.Descendants("svg"));
        StringAssert.Contains(page.Descendants("svg").First().Value, "Share positive");

        page = Save(report.Add("two", metrics));
        Assert.HasCount(1 + 2 * 2, page.Descendants("svg"));
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => report.Add("three", Decided)).Message, "binary models");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(
            () => new CalibrationReport(_mlContext).Add("m", Decided).AddBinary("b", data)).Message, "several classes");
    }

    [TestMethod]
    public void GroupsOfABinaryModelAreATable()
    {
        IDataView data = _mlContext.Data.LoadFromEnumerable(Enumerable.Range(0, 90).Select(i => new BinaryRow
        {
            Label = i % 3 == 0, Probability = i < 60 ? 1 / 3f : .9f, Hospital = i < 60 ? "<north>" : i < 89 ? "south" : "",
        }));
        XElement page = Save(new CalibrationReport(_mlContext).AddBinary("one", data, groupColumnName: "Hospital"));
        XElement[] rows = Table(page, "Groups");
        CollectionAssert.AreEqual(new[] { "All rows90", "<north>60", "south29", "(missing)1" },
            rows.Select(row => row.Element("th")!.Value + row.Element("td")!.Value).ToArray());
        CollectionAssert.AreEqual(new[] { "Group", "Rows", "Share positive", "Mean probability", "ECE", "Brier score", "Log loss" },
            rows[0].Parent!.Parent!.Descendants("thead").Single().Descendants("th").Select(head => head.Value).ToArray());
        Assert.AreEqual("33.33 %", ((XText)rows[1].Elements("td").ElementAt(1).FirstNode!).Value);
        CollectionAssert.AreEqual(new[] { false, true, true },
            rows[..3].Select(row => AreBold(row)[2]).ToArray(), "north says 33 %, south 90 %, and all say 53 %");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => new CalibrationReport(_mlContext).AddBinary("m", data, groupColumnName: "Camera")).Message, "Camera");
    }

    private static double[,] Weights(double weight) => new[,] { { weight, 0, 0 }, { 0, weight, 0 }, { 0, 0, weight } };

    private IDataView Keys(IDataView data)
    {
        IDataView keys = _mlContext.Data.LoadFromEnumerable(Names.Select(name => new Named { Name = name }));
        return _mlContext.Transforms.Conversion.MapValueToKey("Label", "Name", keyData: keys).Fit(keys).Transform(
            _mlContext.Transforms.CopyColumns("PredictionSet", "Set").Fit(data).Transform(data));
    }

    private sealed class Named
    {
        public string Name { get; set; } = "";
    }

    private sealed class Row
    {
        public string Name { get; set; } = "";

        [VectorType(3)]
        public float[] Score { get; set; } = [];

        [KeyType(3)]
        public uint[] Set { get; set; } = [];

        public bool Accepted { get; set; }

        public string Camera { get; set; } = "";

        public byte[] Image => TestImages.Encode(2, 2, (_, _) => new SKColor((byte)(10 * Score[0] - 2), 0, 0));
    }

    private sealed class BinaryRow
    {
        public bool Label { get; set; }

        public float Probability { get; set; }

        public string Hospital { get; set; } = "";
    }
}
