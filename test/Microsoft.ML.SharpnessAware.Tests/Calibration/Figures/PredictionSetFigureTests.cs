using System.Xml.Linq;
using SkiaSharp;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class PredictionSetFigureTests
{
    private readonly string _folder = Directory.CreateTempSubdirectory("sets").FullName;

    [TestCleanup]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void SizesSayHowManyAndHowOftenTheyHold()
    {
        // Class 0: 10 sets of one class, 9 of them right; 5 of three classes, all right; 5 empty.
        PredictionSetMetrics metrics = Metrics((0, 1, 1, 9), (0, 1, 0, 1), (0, 3, 1, 5), (0, 0, 0, 5));
        string[] texts = Texts(CalibrationFigure.PredictionSetSizes(metrics));
        CollectionAssert.IsSubsetOf(new[]
        {
            "Sizes of prediction sets", "mean size 1.25 · of one class 50.0 % · empty 25.0 % · N = 20", "the set holds the right class",
                "it does not",
            "Classes in the set", "Coverage", "all rows (70.0 %)", "fewer than 20 rows",
        }, texts);
    }

    [TestMethod]
    public void CoverageShowsWhatWasAskedAndEachClassOfManyRows()
    {
        PredictionSetMetrics metrics = Metrics((0, 1, 1, 95), (0, 1, 0, 5), (1, 2, 1, 80), (1, 2, 0, 20), (2, 1, 1, 3));
        XElement svg = Svg(CalibrationFigure.PredictionSetCoverage([(0.8, metrics), (0.9, metrics)]));
        string[] texts = [.. svg.Descendants().Where(element => element.Name.LocalName == "text").Select(text => text.Value)];
        CollectionAssert.IsSubsetOf(new[]
        {
            "Coverage of prediction sets", "how often the set holds the right class · N = 203", "Coverage asked", "Coverage got",
                "as asked",
            "classes of 20 rows or more",
        }, texts);
    }

    [TestMethod]
    public void FiguresAreDrawnOfExtremes()
    {
        foreach (PredictionSetMetrics metrics in new[]
        {
            Metrics((0, 0, 0, 1)), Metrics((0, 1, 1, 1)), Metrics((2, 3, 1, 1_000_000)),
            Metrics([.. Enumerable.Range(0, 1000).Select(size => (size, size, 1, 1L + size % 30))]),
        })
        {
            foreach (CalibrationFigure figure in new[]
            {
                CalibrationFigure.PredictionSetSizes(metrics, "a_{b} <b>"),
                    CalibrationFigure.PredictionSetCoverage([(0.001, metrics), (0.999, metrics)]),
            })
            {
                string path = Path.Combine(_folder, "figure.png");
                figure.SavePng(path);
                using SKBitmap bitmap = SKBitmap.Decode(path);
                Assert.AreEqual(1280, bitmap.Width);
                Assert.DoesNotContain("NaN", Svg(figure).ToString());
            }
        }
    }

    [TestMethod]
    public void NoSetsAndCoveragesThatAreNoneAreRefused()
    {
        Assert.ThrowsExactly<ArgumentException>(() => CalibrationFigure.PredictionSetCoverage(Array.Empty<PredictionSetMetrics>()));
        Assert.ThrowsExactly<ArgumentException>(() =>
            CalibrationFigure.PredictionSetCoverage(Array.Empty<(double, PredictionSetMetrics)>()));
        Assert.ThrowsExactly<ArgumentException>(() => CalibrationFigure.PredictionSetCoverage([null!, Metrics(0.9)]));
        Assert.ThrowsExactly<ArgumentException>(() => CalibrationFigure.PredictionSetCoverage([(0.9, null!)]));
        Assert.ThrowsExactly<ArgumentNullException>(() => CalibrationFigure.PredictionSetSizes(null!));
        foreach (double asked in new[] { 0, 1, double.NaN, 95 })
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() =>
                CalibrationFigure.PredictionSetCoverage([(asked, Metrics((0, 1, 1, 1)))]));
    }

    [TestMethod]
    public void WhatWasAskedIsTakenFromTheMetrics()
    {
        PredictionSetMetrics[] sets = [Metrics(0.8), Metrics(0.9)];
        Assert.AreEqual(Svg(CalibrationFigure.PredictionSetCoverage([(0.8, sets[0]), (0.9, sets[1])])).ToString(),
            Svg(CalibrationFigure.PredictionSetCoverage(sets)).ToString());
        string another = Assert.ThrowsExactly<ArgumentException>(
            () => CalibrationFigure.PredictionSetCoverage([(0.95, sets[1])])).Message;
        StringAssert.Contains(another, "0.95 is given for sets that were asked for 0.9");
        string unknown = Assert.ThrowsExactly<ArgumentException>(
            () => CalibrationFigure.PredictionSetCoverage([sets[0], Metrics((0, 1, 1, 9))])).Message;
        StringAssert.Contains(unknown, "CoverageAsked is NaN");
    }

    private static PredictionSetMetrics Metrics(double asked) => new(Counts((0, 1, 1, 95), (1, 1, 0, 5)), ["a", "b", "c"], 0)
    {
        CoverageAsked = asked,
    };

    private static PredictionSetMetrics Metrics(params (int Class, int Size, int Holds, long Rows)[] cells)
    {
        SetCounts counts = Counts(cells);
        return new PredictionSetMetrics(counts, [.. Enumerable.Range(0, counts.OfClass.Length).Select(k => $"class {k}")], 0);
    }

    private static SetCounts Counts(params (int Class, int Size, int Holds, long Rows)[] cells)
    {
        var counts = new SetCounts(Math.Max(3, Math.Max(cells.Max(cell => cell.Class) + 1, cells.Max(cell => cell.Size))));
        foreach ((int k, int size, int holds, long rows) in cells)
            counts.Add(k, size, holds == 1, rows);
        return counts;
    }

    private string[] Texts(CalibrationFigure figure) =>
        [.. Svg(figure).Descendants().Where(element => element.Name.LocalName == "text").Select(text => text.Value)];

    private XElement Svg(CalibrationFigure figure)
    {
        string path = Path.Combine(_folder, "figure.svg");
        figure.SaveSvg(path);
        return XDocument.Load(path).Root!;
    }
}
