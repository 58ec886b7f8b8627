using System.Globalization;
using System.Xml.Linq;
using SkiaSharp;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class CalibrationFigureTests
{
    private const string Hostile = "<b>&\"é\" a^{2}_{x}\n\u0001";
    private const string Printable = "<b>&\"é\" a^{2}_{x}  ";

    private readonly string _folder = Directory.CreateTempSubdirectory("figures").FullName;

    [TestCleanup]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void ComparisonHasALineAndALegendForEachModel()
    {
        (string, MulticlassCalibrationMetrics)[] models = [.. Enumerable.Range(0, 8).Select(i => ($"model {i}", Metrics(seed: i)))];
        XElement[] elements = Svg(CalibrationFigure.ReliabilityComparison(models));
        string[] texts = Texts(elements);
        foreach ((string name, MulticlassCalibrationMetrics metrics) in models)
            CollectionAssert.Contains(texts, FormattableString.Invariant($"{name} · ECE {metrics.ExpectedCalibrationError:P2}"));
        CollectionAssert.IsSubsetOf(new[] { "overconfident", "underconfident", "Confidence", "Accuracy", "Share of rows" }, texts);

        // The legend, the curve and the distribution of each model: three lines of its colour, which differ in their dashes too.
        IGrouping<string, string>[] styles = [.. ModelLines(elements).Select(Style)
            .GroupBy(style => $"{Part(style, "stroke:")};{Part(style, "stroke-dasharray:")}")];
        Assert.HasCount(8, styles);
        Assert.IsTrue(styles.All(group => group.Count() == 3), string.Join("\n", styles.Select(group => $"{group.Count()} {group.Key}")));
        Assert.AreEqual(8, styles.Select(group => Part(group.Key, "stroke-dasharray:")).Distinct().Count());
        Assert.AreEqual(8, styles.Select(group => Part(group.Key, "stroke:")).Distinct().Count());
    }

    [TestMethod]
    public void ComparisonDrawsEachBinWhereItIs()
    {
        // Two bins: 30 rows of 0.6, half of them right, and 10 rows of 0.9, all right; the axes run from -0.02 to 1.02.
        float[] confidences = [.. Enumerable.Repeat(.6f, 30), .. Enumerable.Repeat(.9f, 10)];
        int[] labels = [.. Enumerable.Range(0, 30).Select(i => i % 2), .. new int[10]];
        XElement[] elements = Svg(CalibrationFigure.ReliabilityComparison(
            [("m", CalibrationMetrics.Compute(CalibrationMetricsTests.TwoClasses(confidences), labels, 2))]));
        Box frame = elements.Where(element => element.Name.LocalName == "clipPath").Select(clip => Rectangle(clip.Elements().Single()))
            .First(clip => clip.Width < 640);       // the axes' clip is the whole figure
        double[] curve = ModelLines(elements).Select(Points).First(points => points.Length == 4 && points[1] != points[3]);
        Assert.AreEqual(frame.X + frame.Width * .62 / 1.04, curve[0], 0.02);
        Assert.AreEqual(frame.Y + frame.Height * .52 / 1.04, curve[1], 0.02);
        Assert.AreEqual(frame.X + frame.Width * .92 / 1.04, curve[2], 0.02);
        Assert.AreEqual(frame.Y + frame.Height * .02 / 1.04, curve[3], 0.02);
        Assert.AreEqual("accuracy of the rows of each confidence; hollow: fewer than 20 rows", Texts(elements)[1]);
    }

    [TestMethod]
    public void NoModelsOrTooManyAreRefused()
    {
        (string, MulticlassCalibrationMetrics)[] nine = [.. Enumerable.Repeat(("model", Metrics()), 9)];
        Func<IEnumerable<(string, MulticlassCalibrationMetrics)>, CalibrationFigure>[] figures =
            [models => CalibrationFigure.ReliabilityComparison(models), models => CalibrationFigure.AccuracyRejection(models)];
        foreach (Func<IEnumerable<(string, MulticlassCalibrationMetrics)>, CalibrationFigure> figure in figures)
        {
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => figure(nine)).Message, "1 to 8 models, and 9");
            Assert.ThrowsExactly<ArgumentException>(() => figure([]));
            Assert.ThrowsExactly<ArgumentException>(() => figure([("none", null!)]));
            Assert.ThrowsExactly<ArgumentNullException>(() => figure(null!));
        }

        Assert.ThrowsExactly<ArgumentNullException>(() => CalibrationFigure.Reliability(null!));
        Assert.ThrowsExactly<ArgumentNullException>(() => CalibrationFigure.PerClass(null!));
        Assert.ThrowsExactly<ArgumentNullException>(() => CalibrationFigure.ConfidenceHistogram(null!));
    }

    [TestMethod]
    [DataRow(2)]
    [DataRow(7)]
    [DataRow(25)]
    public void PerClassGridHasAPanelForEachClassInOrder(int classes)
    {
        MulticlassCalibrationMetrics metrics = Metrics(classes: classes);
        string[] texts = Texts(Svg(CalibrationFigure.PerClass(metrics)));
        string[] expected = [.. metrics.PerClass.SelectMany(one => new[]
        {
            one.ClassName,
            FormattableString.Invariant($"ECE {one.ExpectedCalibrationError:P2} · {one.Count:N0} row{(one.Count == 1 ? "" : "s")}"),
        })];
        string[] actual = [.. Enumerable.Range(1, texts.Length - 1).Where(i => texts[i].StartsWith("ECE", StringComparison.Ordinal))
            .SelectMany(i => texts[(i - 1)..(i + 1)])];
        CollectionAssert.AreEqual(expected, actual);
    }

    [TestMethod]
    public void OfManyClassesTheWorstAreShownAndTheFigureSaysSo()
    {
        MulticlassCalibrationMetrics metrics = Metrics(classes: 1000, rows: 50);
        string[] texts = Texts(Svg(CalibrationFigure.PerClass(metrics)));
        string[] errors = [.. texts.Where(text => text.StartsWith("ECE", StringComparison.Ordinal)).Select(text => text.Split(" ·")[0])];
        CollectionAssert.AreEqual(metrics.PerClass.Select(one => one.ExpectedCalibrationError).OrderDescending().Take(25)
            .Select(error => FormattableString.Invariant($"ECE {error:P2}")).ToArray(), errors);
        StringAssert.StartsWith(texts[1], "the 25 of 1,000 classes with the largest ECE, worst first");
    }

    [TestMethod]
    public void APictureOfOneClassSpeaksOfItsShareAndNotOfAccuracy()
    {
        ReliabilityDiagram diagram = Metrics().PerClass[1].ReliabilityDiagram;
        string[] texts = Texts(Svg(CalibrationFigure.Reliability(diagram)));
        CollectionAssert.IsSubsetOf(new[] { "Share of the class", "Probability of the class", "share of the class", "too high", "too low" },
            texts);
        Assert.DoesNotContain("accuracy", string.Concat(texts).ToLowerInvariant());
        Assert.DoesNotContain("confident", string.Concat(texts));
        Assert.DoesNotContain("Accuracy", diagram.ToString());
    }

    [TestMethod]
    public void HistogramKeepsRightAndWrongApart()
    {
        // 3 right rows of 0.9; wrong: 1 row of 0.9, 3 of 0.6.
        MulticlassCalibrationMetrics metrics = CalibrationMetrics.Compute(
            CalibrationMetricsTests.TwoClasses([.9f, .9f, .9f, .9f, .6f, .6f, .6f]), [0, 0, 0, 1, 1, 1, 1], 2);
        XElement[] elements = Svg(CalibrationFigure.ConfidenceHistogram(metrics));
        CollectionAssert.IsSubsetOf(
            new[] { "right predictions (3)", "wrong predictions (4)", "Share of the right", "Share of the wrong" }, Texts(elements));
        Box[] right = Bars(elements, "184,212,232");
        Box[] wrong = Bars(elements, "213,94,0");
        Assert.HasCount(2, right);
        Assert.HasCount(3, wrong);      // one of each is the legend's
        Box all = right.MaxBy(bar => bar.Height);
        Box[] below = [.. wrong.Where(bar => bar.Y > all.Y).OrderBy(bar => bar.X)];
        Assert.HasCount(2, below);
        Assert.AreEqual(all.Y + all.Height, below[0].Y, 0.02);
        Assert.AreEqual(0.75 * all.Height, below[0].Height, 0.02);
        Assert.AreEqual(0.25 * all.Height, below[1].Height, 0.02);
        Assert.AreEqual(all.X, below[1].X, 0.02);
    }

    [TestMethod]
    public void AccuracyRejectionHasACurveForEachModel()
    {
        MulticlassCalibrationMetrics[] metrics = [Metrics(seed: 1), Metrics(seed: 2)];
        XElement[] elements = Svg(CalibrationFigure.AccuracyRejection([("one", metrics[0]), ("two", metrics[1])]));
        CollectionAssert.IsSubsetOf(new[]
        {
            FormattableString.Invariant($"one · AURC {metrics[0].AccuracyRejectionCurve.AreaUnderRiskCoverageCurve:F4}"),
            FormattableString.Invariant($"two · AURC {metrics[1].AccuracyRejectionCurve.AreaUnderRiskCoverageCurve:F4}"),
            "Share of rows kept (coverage)", "Accuracy of the rows kept", "100 %",
        }, Texts(elements));
        Assert.AreEqual(2, ModelLines(elements).Count(line => Points(line).Length > 20));
        Assert.AreEqual(2, ModelLines(elements).Count(line => Points(line).Length == 4));
    }

    [TestMethod]
    public void EveryFigureCanBeDrawnOfEveryData()
    {
        foreach (MulticlassCalibrationMetrics metrics in new[]
        {
            CalibrationMetrics.Compute([.9f, .1f], [0], 2), CalibrationMetrics.Compute([.9f, .1f], [1], 2),
            CalibrationMetrics.Compute([1, 0, 1, 0], [0, 0], 2), CalibrationMetrics.Compute([.5f, .5f], [1], 2, 1),
            CalibrationMetrics.Compute([.2f, .7f, .1f], [1], 3, 500),
        })
        {
            foreach (CalibrationFigure figure in Figures(metrics, Hostile, "title"))
            {
                XElement svg = Svg(figure)[0];
                string path = Path.Combine(_folder, "figure.png");
                figure.SavePng(path);
                using SKBitmap png = SKBitmap.Decode(path);
                Assert.AreEqual(2 * (double)svg.Attribute("width")!, png.Width, 1);
                Assert.AreEqual(2 * (double)svg.Attribute("height")!, png.Height, 1);
            }
        }
    }

    [TestMethod]
    public void NamesAndTitlesAreTextAsTheyAreOrShortened()
    {
        MulticlassCalibrationMetrics metrics = Metrics();
        foreach (CalibrationFigure figure in Figures(metrics, "model", Hostile))
            Assert.AreEqual(Printable, Texts(Svg(figure))[0]);
        foreach (CalibrationFigure figure in new[]
        {
            CalibrationFigure.ReliabilityComparison([(Hostile, metrics)]), CalibrationFigure.AccuracyRejection([(Hostile, metrics)]),
        })
            Assert.IsTrue(Texts(Svg(figure)).Any(text => text.StartsWith(Printable + " · ", StringComparison.Ordinal)));

        string title = Texts(Svg(CalibrationFigure.Reliability(metrics.ReliabilityDiagram, new string('W', 1000))))[0];
        StringAssert.EndsWith(title, "W…");
        Assert.IsLessThan(60, title.Length);
    }

    [TestMethod]
    public void FiguresAreTheSameInEveryCulture()
    {
        MulticlassCalibrationMetrics metrics = Metrics();
        string[] expected = Draw();
        using (new CultureScope("de-DE"))
            CollectionAssert.AreEqual(expected, Draw());

        string[] Draw() => [.. Figures(metrics, "model", "title").Select(figure =>
        {
            using MemoryStream stream = new();
            figure.WriteSvg(stream);
            return System.Text.Encoding.UTF8.GetString(stream.ToArray());
        })];
    }

    [TestMethod]
    public void DashesOfPngAreThoseOfSvg()
    {
        // The second model is dashed 5 on, 2 off, in units of the line's thickness of 2, so 14 from dash to dash; the line is level.
        string path = Path.Combine(_folder, "dashes.png");
        MulticlassCalibrationMetrics flat = CalibrationMetrics.Compute(
            CalibrationMetricsTests.TwoClasses([.52f, .98f]), [0, 0], 2);
        CalibrationFigure.ReliabilityComparison([("a", Metrics()), ("b", flat)]).SavePng(path);
        using SKBitmap png = SKBitmap.Decode(path);
        SKColor color = new(0xD5, 0x5E, 0x00);
        bool[] ink = Enumerable.Range(0, png.Height).Select(y => Enumerable.Range(0, png.Width)
            .Select(x => png.GetPixel(x, y) == color).ToArray()[760..1150]).MaxBy(row => row.Count(isInk => isInk))!;
        int[] starts = [.. Enumerable.Range(1, ink.Length - 1).Where(x => ink[x] && !ink[x - 1])];
        Assert.IsGreaterThan(5, starts.Length);
        Assert.AreEqual(2 * 14, (starts[^1] - starts[0]) / (starts.Length - 1.0), 0.5);
    }

    internal static MulticlassCalibrationMetrics Metrics(int seed = 0, int classes = 3, int rows = 200)
    {
        Random random = new(seed);
        float[] scores = new float[rows * classes];
        for (int row = 0; row < rows; row++)
        {
            Span<float> p = scores.AsSpan(row * classes, classes);
            foreach (ref float value in p)
                value = MathF.Exp(3 * random.NextSingle() * random.NextSingle());
            System.Numerics.Tensors.TensorPrimitives.Divide(p, System.Numerics.Tensors.TensorPrimitives.Sum<float>(p), p);
        }

        return CalibrationMetrics.Compute(scores, [.. Enumerable.Range(0, rows).Select(_ => random.Next(classes))], classes);
    }

    private static CalibrationFigure[] Figures(MulticlassCalibrationMetrics metrics, string name, string title) =>
    [
        CalibrationFigure.Reliability(metrics.ReliabilityDiagram, title), CalibrationFigure.ReliabilityComparison([(name, metrics)], title),
        CalibrationFigure.PerClass(metrics, title), CalibrationFigure.ConfidenceHistogram(metrics, title),
        CalibrationFigure.AccuracyRejection([(name, metrics)], title),
    ];

    private XElement[] Svg(CalibrationFigure figure)
    {
        string path = Path.Combine(_folder, "figure.svg");
        figure.SaveSvg(path);
        return [.. XDocument.Load(path).Root!.DescendantsAndSelf()];
    }

    private static string[] Texts(XElement[] elements)
        => [.. elements.Where(element => element.Name.LocalName == "text").Select(element => element.Value)];

    /// <summary>The lines of thickness 2, which only models have.</summary>
    private static IEnumerable<XElement> ModelLines(XElement[] elements) => elements.Where(element
        => element.Name.LocalName is "polyline" or "line" && Style(element).Contains("stroke-width:2", StringComparison.Ordinal));

    private static string Style(XElement element) => element.Attribute("style")!.Value;

    private static string Part(string style, string name)
        => style.Split(';').FirstOrDefault(part => part.StartsWith(name, StringComparison.Ordinal)) ?? "";

    private static double[] Points(XElement line) => line.Attribute("points") is { } points
        ? [.. points.Value.Split([' ', ','], StringSplitOptions.RemoveEmptyEntries)
            .Select(part => double.Parse(part, CultureInfo.InvariantCulture))]
        : [(double)line.Attribute("x1")!, (double)line.Attribute("y1")!, (double)line.Attribute("x2")!, (double)line.Attribute("y2")!];

    private static Box[] Bars(XElement[] elements, string color) => [.. elements.Where(element => element.Name.LocalName == "rect"
        && element.Attribute("style")?.Value.Contains($"fill:rgb({color})", StringComparison.Ordinal) == true).Select(Rectangle)];

    private static Box Rectangle(XElement element) => new((double)element.Attribute("x")!, (double)element.Attribute("y")!,
        (double)element.Attribute("width")!, (double)element.Attribute("height")!);

    private readonly record struct Box(double X, double Y, double Width, double Height);
}
