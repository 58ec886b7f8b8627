using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Microsoft.ML.Runtime;
using static Microsoft.ML.SharpnessAware.Tests.Calibration.SavedReports;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed partial class CalibrationReportTests
{
    private const string Hostile = "<script>alert('x')</script> & \"é\" 図";

    private readonly MLContext _mlContext = new(seed: 1);
    private readonly List<string> _warnings = [];
    private readonly string _folder = Directory.CreateTempSubdirectory("report").FullName;

    public CalibrationReportTests() => _mlContext.Log += (_, log) =>
    {
        if (log.Kind == ChannelMessageKind.Warning && !log.Message.Contains("have no class names", StringComparison.Ordinal))
            _warnings.Add(log.Message);
    };

    private string PagePath => Path.Combine(_folder, "report.html");

    [TestCleanup]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void ThePageIsWellFormedAndNeedsNothingElse()
    {
        XElement page = Save(new CalibrationReport(_mlContext, Hostile).Add(Hostile, View()).Add("other", View()));
        string text = File.ReadAllText(PagePath);
        StringAssert.StartsWith(text, "<!DOCTYPE html>\n<html lang=\"en\">");
        Assert.DoesNotContain("http", text);
        Assert.IsEmpty(page.Descendants("script"));
        Assert.IsEmpty(page.Descendants("link"));
        Assert.AreEqual(Hostile, page.Descendants("title").Single().Value);
        Assert.AreEqual(Hostile, page.Descendants("h1").Single().Value);
        CollectionAssert.Contains(page.Descendants("h2").Select(h2 => h2.Value).ToArray(), Hostile);

        // What HTML reads otherwise than XML: only void elements and those of svg may close themselves, and style is not decoded.
        Assert.IsTrue(page.DescendantsAndSelf().Where(element => element.IsEmpty && !element.Ancestors("svg").Any())
            .All(element => element.Name.LocalName is "meta" or "img" or "br"));
        Assert.DoesNotMatchRegex("[<>&]", page.Descendants("style").Single().Value);
    }

    /// <summary>The differences of models that were measured on the same rows, and of no others.</summary>
    [TestMethod]
    public void DifferencesToTheFirstModelAreShownForTheSameRows()
    {
        MulticlassCalibrationMetrics a = CalibrationMetrics.Compute([.8f, .2f, .3f, .7f], [0, 1], 2);
        MulticlassCalibrationMetrics b = CalibrationMetrics.Compute([.9f, .1f, .6f, .4f], [0, 1], 2);
        MulticlassCalibrationMetrics other = CalibrationMetrics.Compute([.9f, .1f, .6f, .4f], [1, 0], 2);
        MulticlassCalibrationMetrics ofMoreClasses = CalibrationMetrics.Compute([.9f, .1f, 0, .6f, .4f, 0], [0, 1], 3);
        XElement page = Save(new CalibrationReport(_mlContext).Add("a", a).Add("b", b).Add("c", other).Add("d", ofMoreClasses));
        XElement table = page.Descendants("h3").Single(h3 => h3.Value == "Differences to a").ElementsAfterSelf().First();
        Assert.AreEqual("b", table.Descendants("tbody").Single().Elements("tr").Single().Element("th")!.Value);
        StringAssert.Contains(table.Value, "−50.00 %");
        Assert.AreEqual("Not compared row by row: c, d. The rows, their order, their classes or their clusters are not those of a.",
            page.Descendants("p").Single(p => p.Value.StartsWith("Not compared", StringComparison.Ordinal)).Value);
    }

    /// <summary>All right and sure of it, all wrong and sure of it, and the first once more, which does not differ from itself.</summary>
    [TestMethod]
    public void ADifferenceIsBoldWhereItIsMoreThanChance()
    {
        const int Rows = 40;
        MulticlassCalibrationMetrics a = Of(.9f), b = Of(.1f);
        XElement[] rows = Table(Save(new CalibrationReport(_mlContext).Add("a", a).Add("b", b).Add("same", a)), "Differences to a");
        CollectionAssert.AreEqual(new[] { "b", "same" }, Heads(rows));
        CollectionAssert.AreEqual(new[] { true, true, true, true }, AreBold(rows[0]));
        CollectionAssert.AreEqual(new bool[4], AreBold(rows[1]));

        static MulticlassCalibrationMetrics Of(float probability) => CalibrationMetrics.Compute(
            CalibrationMetricsTests.TwoClasses([.. Enumerable.Repeat(probability, Rows)]), new int[Rows], 2);
    }

    /// <summary>One model has no top k: the others' best is marked all the same, where less is better and where more is.</summary>
    [TestMethod]
    public void TheBestIsMarkedWhereAModelHasNoSuchNumber()
    {
        IDataView view = View(Row("cat", .5f, .3f, .2f), Row("dog", .1f, .8f, .1f), Row("eel", .2f, .2f, .6f));
        IDataView worse = View(Row("cat", .3f, .5f, .2f), Row("dog", .1f, .8f, .1f), Row("eel", .4f, .4f, .2f));
        MulticlassCalibrationMetrics without = CalibrationMetrics.Compute([.8f, .2f, 0, .3f, .7f, 0, 0, 0, 1], [0, 1, 2], 3);
        XElement page = Save(new CalibrationReport(_mlContext).Add("a", view).Add("b", worse).Add("c", without));
        XElement[] rows = [.. page.Descendants("tr").Where(tr => tr.Elements("td").Any(td => td.Value.StartsWith('–')))];
        Assert.IsNotEmpty(rows);
        Assert.IsTrue(rows.All(tr => tr.Elements("td").Any(td => td.Attribute("class")?.Value == "n best")
            || tr.Elements("td").Select(td => td.Value).Where(value => !value.StartsWith('–')).Distinct().Count() == 1));
    }

    [TestMethod]
    public void IdentifiersOfFiguresAreUniqueAndFound()
    {
        XElement page = Save(new CalibrationReport(_mlContext).Add("one", View()).Add("two", View()));
        Assert.HasCount(2 + 2 * 3, page.Descendants("svg"));
        string[] ids = [.. page.Descendants().Attributes("id").Select(id => id.Value)];
        CollectionAssert.AllItemsAreUnique(ids);
        string[] used = [.. page.Descendants().Attributes().SelectMany(attribute => Reference().Matches(attribute.Value))
            .Select(match => match.Groups[1].Value)];
        Assert.IsNotEmpty(used);
        CollectionAssert.IsSubsetOf(used.Distinct().ToArray(), ids);
    }

    /// <summary>Who looks a row up looks in his own data, not in the part that was measured.</summary>
    [TestMethod]
    public void RowsOfAPartAreShownByTheirPlaceInTheSource()
    {
        IDataView all = View(Row("cat", .9f, .1f, 0), Row("dog", .9f, .05f, .05f), Row("eel", .1f, .1f, .8f), Row("eel", .2f, .6f, .2f));
        XElement page = Save(new CalibrationReport(_mlContext).Add("m", _mlContext.Data.SkipRows(all, 1), imageColumnName: "",
            numberOfExamples: 3));
        string[] wrong = [.. page.Descendants("ol").First().Elements("li").Select(item => item.Value)];
        StringAssert.Contains(wrong[0], "row 1");
        StringAssert.Contains(wrong[1], "row 3");
    }

    [TestMethod]
    public void WorstRowsAreShownInOrderWithTheirClasses()
    {
        // Labels and predictions of three classes; the rows that are left out must not be shown.
        XElement page = Save(new CalibrationReport(_mlContext).Add("m", View(
            Row("cat", .5f, .3f, .2f),      // 0 right
            Row("dog", .9f, .05f, .05f),    // 1 wrong
            Row("eel", .2f, .6f, .2f),      // 2 wrong
            Row("dog", .1f, .4f, .5f),      // 3 wrong
            Row("eel", .1f, .1f, .8f),      // 4 right
            Row("yak", .99f, .01f, 0),      // 5 no known label
            Row("cat", float.NaN, 1, 0),    // 6 no score
            Row("cat", .1f, .9f, 0)),       // 7 wrong, later than its equal
            imageColumnName: "", numberOfExamples: 3));
        string[][] lists = [.. page.Descendants("ol").Select(list => list.Elements("li").Select(item => item.Value).ToArray())];
        Assert.HasCount(2, lists);
        CollectionAssert.AreEqual(new[]
        {
            "90.0 % catis dog, given 5.0 %row 1pictures/1.png", "90.0 % dogis cat, given 10.0 %row 7pictures/7.png",
            "60.0 % dogis eel, given 20.0 %row 2pictures/2.png",
        }, lists[0]);
        CollectionAssert.AreEqual(new[] { "50.0 % catrow 0pictures/0.png", "80.0 % eelrow 4pictures/4.png" }, lists[1]);
        Assert.HasCount(2, _warnings);      // of the metrics, on the rows left out
    }

    [TestMethod]
    public void CertaintyIsNotRoundedUp()
    {
        XElement page = Save(new CalibrationReport(_mlContext).Add("m", View(Row("dog", .99974f, .00026f, 0), Row("cat", 1, 0, 0))));
        CollectionAssert.AreEqual(new[] { "99.97 % cat", "dog", "100.0 % cat" },
            page.Descendants("li").Descendants("strong").Select(strong => strong.Value).ToArray());
    }

    [TestMethod]
    public void TheTableHasEveryNumberOfEveryModelAndMarksTheBest()
    {
        MulticlassCalibrationMetrics[] metrics = [CalibrationFigureTests.Metrics(seed: 1), CalibrationFigureTests.Metrics(seed: 2)];
        XElement page = Save(new CalibrationReport(_mlContext).Add("one", metrics[0]).Add("two", metrics[1]));
        XElement table = page.Descendants("table").First();
        CollectionAssert.AreEqual(
            new[] { "Metric", "one", "two" }, table.Descendants("thead").Descendants("th").Select(th => th.Value).ToArray());
        AssertRow("ECE", "P2", model => model.ExpectedCalibrationError, lowestIsBest: true);
        AssertRow("Brier score", "F4", model => model.BrierScore, lowestIsBest: true);
        AssertRow("Accuracy", "P2", model => model.Accuracy, lowestIsBest: false);
        AssertRow("AURC", "F4", model => model.AccuracyRejectionCurve.AreaUnderRiskCoverageCurve, lowestIsBest: true);
        Assert.AreEqual(8 * 2, table.Descendants("div").Count(div => div.Attribute("class")!.Value == "range"));
        ConfidenceInterval brier = metrics[1].Bootstrap().BrierScore;
        Assert.AreEqual(FormattableString.Invariant($"{brier.Lower:F4} – {brier.Upper:F4}"),
            Row("Brier score").Elements("td").Last().Element("div")!.Value);

        XElement Row(string name) => table.Descendants("tr").Single(tr => (tr.Element("th")!.FirstNode as XText)?.Value == name);

        void AssertRow(string name, string format, Func<MulticlassCalibrationMetrics, double> value, bool lowestIsBest)
        {
            XElement row = Row(name);
            CollectionAssert.AreEqual(metrics.Select(model => value(model).ToString(format, CultureInfo.InvariantCulture)).ToArray(),
                row.Elements("td").Select(td => ((XText)td.FirstNode!).Value).ToArray());
            bool firstIsBest = value(metrics[0]) < value(metrics[1]) == lowestIsBest;
            CollectionAssert.AreEqual(firstIsBest ? ["n best", "n"] : new[] { "n", "n best" },
                row.Elements("td").Select(td => td.Attribute("class")!.Value).ToArray());
        }
    }

    [TestMethod]
    public void ManyClassesAndModelsAreHandled()
    {
        MulticlassCalibrationMetrics ofManyClasses = CalibrationFigureTests.Metrics(classes: 60, rows: 50);
        CalibrationReport report = new CalibrationReport(_mlContext).Add("m", ofManyClasses);
        for (int i = 0; i < 8; i++)
            report.Add($"m{i}", CalibrationFigureTests.Metrics(seed: i));
        XElement page = Save(report);
        Assert.HasCount(2 * 2 + 9 * 3, page.Descendants("svg"));        // eight models fit into a figure
        XElement classes = page.Descendants("table").ElementAt(1);
        CollectionAssert.AreEqual(
            ofManyClasses.PerClass.OrderByDescending(one => one.ExpectedCalibrationError).Take(50).Select(one => one.ClassName).ToArray(),
            Heads(classes.Element("tbody")!.Elements("tr")));
        StringAssert.Contains(File.ReadAllText(PagePath), "Shown are the 50 of 60 classes with the largest ECE");
    }

    [TestMethod]
    public void ThePageIsTheSameInEveryCulture()
    {
        CalibrationReport report = new CalibrationReport(_mlContext).Add("m", View());
        Save(report);
        string expected = File.ReadAllText(PagePath);
        using (new CultureScope("de-DE"))
        {
            Save(report);
            Assert.AreEqual(expected, File.ReadAllText(PagePath));
            Save(new CalibrationReport(_mlContext).Add("m", View()));
            Assert.AreEqual(expected, File.ReadAllText(PagePath));
        }
    }

    [TestMethod]
    public void WrongArgumentsAreNamedAndLeaveTheReportAsItWas()
    {
        CalibrationReport report = new(_mlContext);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => report.SaveHtml(PagePath)).Message, "no model");
        Assert.IsEmpty(Directory.GetFileSystemEntries(_folder));
        IDataView view = View();
        Rejects<ArgumentOutOfRangeException>(() => report.Add("m", view, "Missing"), "Missing");
        Rejects<ArgumentOutOfRangeException>(() => report.Add("m", view, scoreColumnName: "Missing"), "Missing");
        Rejects<ArgumentOutOfRangeException>(() => report.Add("m", view, imageColumnName: "Missing"), "Missing");
        Rejects<ArgumentOutOfRangeException>(() => report.Add("m", view, imageColumnName: "Name"), "Name");
        Rejects<ArgumentOutOfRangeException>(() => report.Add("m", view, imagePathColumnName: "Missing"), "Missing");
        Rejects<ArgumentOutOfRangeException>(() => report.Add("m", view, imagePathColumnName: "Score"), "Score");
        Rejects<ArgumentOutOfRangeException>(() => report.Add("m", view, numberOfExamples: -1), "numberOfExamples");
        Rejects<ArgumentOutOfRangeException>(() => report.Add("m", view, numberOfBins: 0), "numberOfBins");
        Rejects<InvalidOperationException>(() => report.Add("m", View(Row("cat", .5f, .2f, .1f))), "row 0");
        Rejects<ArgumentException>(() => report.Add(" ", view), "name");
        report.Add("m", view);
        Rejects<ArgumentException>(() => report.Add("m", view), "'m'");
        Assert.HasCount(1, Save(report).Descendants("section"));
        Assert.ThrowsExactly<ArgumentNullException>(() => report.Add("n", (IDataView)null!));
        Assert.ThrowsExactly<ArgumentNullException>(() => report.Add("n", (MulticlassCalibrationMetrics)null!));
        Assert.ThrowsExactly<ArgumentNullException>(() => new CalibrationReport(null!));

        static void Rejects<T>(Action action, string part)
            where T : Exception
            => StringAssert.Contains(Assert.ThrowsExactly<T>(action).Message, part);
    }

    private static ImageRow Row(string name, params float[] scores) => new() { Name = name, Score = scores };

    private IDataView View(params ImageRow[] rows)
    {
        if (rows.Length == 0)
            rows = [Row("cat", .5f, .3f, .2f), Row("dog", .9f, .05f, .05f), Row("eel", .2f, .2f, .6f)];
        for (int i = 0; i < rows.Length; i++)
            rows[i].ImagePath = $"pictures/{i}.png";
        string[] names = ["cat", "dog", "eel"];
        IDataView keys = _mlContext.Data.LoadFromEnumerable(names.Select(name => new Named { Name = name }));
        return _mlContext.Transforms.Conversion.MapValueToKey("Label", "Name", keyData: keys)
            .Fit(keys).Transform(_mlContext.Data.LoadFromEnumerable(rows));
    }

    private XElement Save(CalibrationReport report)
    {
        report.SaveHtml(PagePath);
        return XElement.Load(PagePath);
    }

    [GeneratedRegex(@"url\(#([^)]*)\)")]
    private static partial Regex Reference();

    private sealed class Named
    {
        public string Name { get; set; } = "";
    }
}
