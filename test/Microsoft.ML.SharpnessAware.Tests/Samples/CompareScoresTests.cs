using System.Text.Json;
using System.Text.RegularExpressions;

namespace Microsoft.ML.SharpnessAware.Tests.Samples;

/// <summary>`mlsharpness compare-scores`: files of scores in, differences out.</summary>
[TestClass]
public sealed class CompareScoresTests
{
    private const int Done = 0, AtFault = 2;

    private const string First = """
        Label,"Score.a, or b",Score.c,Camera,Patient
        "a, or b",.9,.1,left,1
        c,.4,.6,left,1
        c,.6,.4,right,2
        "a, or b",.7,.3,,3

        """;

    // The classes in another order; sure and right in the second row, sure and wrong in the last.
    private const string Second = """
        Label,Score.c,"Score.a, or b",Camera,Patient
        "a, or b",.1,.9,left,1
        c,.99,.01,left,1
        c,.4,.6,right,2
        "a, or b",.9,.1,,3

        """;

    private readonly TemporaryFolder _folder = new();

    [TestCleanup]
    public void Delete() => _folder.Dispose();

    [TestMethod]
    public void DifferencesAreThoseOfTheLibraryOverAllRowsAndByGroup()
    {
        (int exitCode, string output, string error) = Run(File("first", First), File("second", Second), "--group", "Camera", "--json");
        Assert.AreEqual(Done, exitCode, error);
        using JsonDocument json = JsonDocument.Parse(output);
        MulticlassCalibrationMetrics first = CalibrationMetrics.Compute([.9f, .1f, .4f, .6f, .6f, .4f, .7f, .3f], [0, 1, 1, 0], 2);
        MulticlassCalibrationMetrics second = CalibrationMetrics.Compute([.9f, .1f, .01f, .99f, .6f, .4f, .1f, .9f], [0, 1, 1, 0], 2);
        CalibrationComparison expected = second.CompareTo(first);
        JsonElement[] differences = [.. json.RootElement.GetProperty("differences").EnumerateArray()];
        CollectionAssert.AreEqual(new[] { null, "left", "right", "" }, differences.Select(one => one.GetProperty("group").GetString())
            .ToArray());
        JsonElement[] logLoss = [.. differences[0].GetProperty("logLoss").EnumerateArray()];
        Assert.AreEqual(expected.LogLoss.Estimate, logLoss[0].GetDouble(), 1e-6);
        Assert.AreEqual(expected.LogLoss.Upper, logLoss[2].GetDouble(), 1e-6);
        Assert.AreEqual(Math.Log(.3 / .1), differences[3].GetProperty("logLoss")[0].GetDouble() + Math.Log(.3 / .7), 1e-5);

        (exitCode, output, error) = Run(File("first", First), File("second", Second), "--group", "Camera", "--cluster", "Patient");
        Assert.AreEqual(Done, exitCode, error);
        StringAssert.Contains(output, "Less first.csv: difference [95 % interval], rows in 3 clusters");
        StringAssert.Contains(output, "(missing)");
        AssertShows("first.csv", first);
        AssertShows("second.csv", second);
        string[] shown = Cells("all rows");
        foreach ((int column, double value, string format) in new[]
        {
            (1, 100 * expected.Accuracy.Estimate, "+0.0;-0.0;0.0"), (2, 100 * expected.MeanConfidence.Estimate, "+0.0;-0.0;0.0"),
            (3, 100 * expected.ExpectedCalibrationError.Estimate, "+0.0;-0.0;0.0"),
            (4, expected.LogLoss.Estimate, "+0.000;-0.000;0.000"), (5, expected.BrierScore.Estimate, "+0.000;-0.000;0.000"),
        })
            StringAssert.StartsWith(shown[column], value.ToString(format));

        void AssertShows(string name, MulticlassCalibrationMetrics metrics)
        {
            string[] cells = Cells(name);
            Assert.AreEqual("4", cells[1]);
            Assert.AreEqual($"{100 * metrics.Accuracy:F1}", cells[2]);
            Assert.AreEqual($"{100 * metrics.MeanConfidence:F1}", cells[3]);
            StringAssert.StartsWith(cells[4], $"{100 * metrics.ExpectedCalibrationError:F1} (");
            Assert.AreEqual($"{100 * metrics.AdaptiveCalibrationError:F1}", cells[5]);
            Assert.AreEqual($"{metrics.LogLoss:F3}", cells[6]);
            Assert.AreEqual($"{metrics.BrierScore:F3}", cells[7]);
        }

        string[] Cells(string name) => Regex.Split(
            output.Split('\n').First(line => line.TrimStart().StartsWith(name + " ", StringComparison.Ordinal)).Trim(), " {2,}");
    }

    [TestMethod]
    public void TheSeedIsThatOfTheDifferences()
    {
        float[] ofFirst = [.9f, .1f, .4f, .6f, .6f, .4f, .7f, .3f], ofSecond = [.9f, .1f, .01f, .99f, .6f, .4f, .1f, .9f];
        CalibrationComparison Expected(int seed) => CalibrationMetrics.Compute(ofSecond, [0, 1, 1, 0], 2)
            .CompareTo(CalibrationMetrics.Compute(ofFirst, [0, 1, 1, 0], 2), seed: seed);
        (int exitCode, string output, string error) = Run(File("first", First), File("second", Second), "--seed", "7", "--json");
        Assert.AreEqual(Done, exitCode, error);
        using JsonDocument json = JsonDocument.Parse(output);
        double upper = json.RootElement.GetProperty("differences")[0].GetProperty("brierScore")[2].GetDouble();
        Assert.AreEqual(Expected(7).BrierScore.Upper, upper, 1e-6);
        Assert.AreNotEqual(Expected(0).BrierScore.Upper, upper, 1e-4);
    }

    [TestMethod]
    public void ATableInAFileHasARowInOneLine()
    {
        string name = new('l', 150);
        (int exitCode, string output, string error) = Run(File(name, First), File("second", Second));
        Assert.AreEqual(Done, exitCode, error);
        string[] lines = output.Split('\n');
        Assert.IsTrue(lines.Any(line => line.Contains($"{name}.csv", StringComparison.Ordinal)
            && line.Contains("75.0", StringComparison.Ordinal)), output);
        Assert.IsLessThan(400, lines.Max(line => line.Length), "no wider than what it shows");
    }

    [TestMethod]
    [DataRow("Label,Score.a,Score.b\na,.5,x\n", "row 1, column Score.b: 'x' is not a number")]
    [DataRow("Label,Score.a,Score.b\na,.5,\"0,5\"\n", "row 1, column Score.b: '0,5' is not a number")]
    [DataRow("Label,Score.a,Score.b\na,.5\n", "row 1: 2 values, where the header has 3")]
    [DataRow("Label,Score.a,Score.b\na,.5,.5\nb,3.5,-1\n",
        "bad.csv', row 2: the columns Score.… must be probabilities, from 0 to 1 and 1 in sum, and are from -1 to 3.5 and 2.5 in sum")]
    [DataRow("Label,Score.a\na,1\n", "each of at least two classes")]
    [DataRow("Score.a,Score.b\n.5,.5\n", "no column 'Label'")]
    [DataRow("Label,Score.a,Score.b\n\"a,.5,.5\n", "ends within quotes")]
    [DataRow("", "is empty")]
    public void AFileThatIsNoneIsNamedWithTheRow(string content, string problem)
    {
        string good = File("good", "Label,Score.a,Score.b\na,.5,.5\n");
        (int exitCode, string output, string error) = Run(good, File("bad", content));
        Assert.AreEqual(AtFault, exitCode, error);
        Assert.AreEqual("", output);
        StringAssert.Contains(error, problem);
    }

    [TestMethod]
    public void OtherRowsAreRefused()
    {
        string first = File("first", "ImagePath,Label,Score.a,Score.b\n1.png,a,.5,.5\n2.png,a,.6,.4\n");
        (int exitCode, _, string error) = Run(first, File("second", "ImagePath,Label,Score.a,Score.b\n2.png,a,.5,.5\n1.png,a,.6,.4\n"));
        Assert.AreEqual(AtFault, exitCode);
        StringAssert.Contains(error, "row 1 is '1.png' in one and '2.png' in the other");
        (exitCode, _, error) = Run(first, File("second", "Label,Score.a,Score.b\na,.5,.5\nb,.6,.4\n"));
        Assert.AreEqual(AtFault, exitCode);
        StringAssert.Contains(error, "same rows in the same order");
    }

    /// <summary>The rows of a class lie together, so that those that are left have the same labels in the same order.</summary>
    [TestMethod]
    public void ARowWithoutScoresInOneFileAloneIsNotPairedWithAnother()
    {
        string Rows(int without) => "Label,Score.a,Score.b\n" + string.Concat(Enumerable.Range(0, 6)
            .Select(row => $"{(row < 4 ? "a" : "b")},{(row == without ? "NaN,NaN" : $".{row + 1},.{9 - row}")}\n"));
        string first = File("first", Rows(0)), second = File("second", Rows(3));
        (int exitCode, string output, string error) = Run(first, second);
        Assert.AreEqual(AtFault, exitCode, output + error);
        Assert.AreEqual("", output);
        StringAssert.Contains(error, "other rows were left out");
        (exitCode, _, error) = Run(first, File("third", Rows(0)));
        Assert.AreEqual(Done, exitCode, error);
    }

    /// <summary>Of each file, what its paths begin with does not count, but the folder of the class does.</summary>
    [TestMethod]
    [DataRow("/data/test/cat/1.png /data/test/dog/2.png", "D:\\work\\cat\\1.png D:\\work\\dog\\2.png", 0)]
    [DataRow("/a/test/cat/1.png /a/test/dog/2.png", "/b/test/cat/1.png /b/test/dog/2.png", 0)]
    [DataRow("cat/1.png dog/2.png", "/b/cat/1.png /b/dog/2.png", 0)]
    [DataRow("1.png 2.png", "1.png 2.png", 0)]
    [DataRow("/a/cat/1.png /a/cat/2.png", "/b/dog/1.png /b/dog/2.png", 1)]
    [DataRow("1.png 2.png", "/b/1.png /b/2.png", 1)]
    [DataRow("/a/cat/1.png /a/cat/2.png", "/b/cat/1.png /b/cat/3.png", 2)]
    [DataRow("/a/cat/1.png /a/cat/2.png", "/b/cat/1.png /c/cat/2.png", 2)]
    [DataRow("/a/x/1.png /a/2.png", "/b/x/1.png /b/2.png", 2)]
    public void ThePicturesMayLieInOtherPlaces(string first, string second, int otherRow)
    {
        (int exitCode, _, string error) = Run(File("first", Rows(first)), File("second", Rows(second)));
        Assert.AreEqual(otherRow == 0 ? Done : AtFault, exitCode, error);
        if (otherRow > 0)
            StringAssert.Contains(error,
                $"row {otherRow} is '{first.Split(' ')[otherRow - 1]}' in one and '{second.Split(' ')[otherRow - 1]}'");

        static string Rows(string paths) =>
            $"ImagePath,Label,Score.a,Score.b\n{string.Concat(paths.Split(' ').Select(path => $"{path},a,.6,.4\n"))}";
    }

    [TestMethod]
    [DataRow("photos-2024/cat/1.png", "photos-2025/cat/1.png", "'photos-2024' and under 'photos-2025'")]
    [DataRow("/data/test/cat/1.png", "D:\\work\\cat\\1.png", "'/data/test' and under 'D:\\work'")]
    [DataRow("cat/1.png", "/cat/1.png", "'.' and under '/'")]
    [DataRow("/a/cat/1.png", "/a/cat/1.png", null)]
    public void PlacesThatAreTakenForTheSameAreNamed(string first, string second, string? says)
    {
        foreach (string[] option in new string[][] { [], ["--json"] })
        {
            (int exitCode, string output, string error) = Run([File("first", Row(first)), File("second", Row(second)), .. option]);
            Assert.AreEqual(Done, exitCode, error);
            Assert.AreEqual(says is null ? "" : $"Pictures under {says} are taken for the same, by class and file name.", error.TrimEnd());
            Assert.DoesNotContain("taken for the same", output);
        }

        static string Row(string path) => $"ImagePath,Label,Score.a,Score.b\n{path},a,.6,.4\n";
    }

    private string File(string name, string content)
    {
        string path = _folder.File(name + ".csv");
        System.IO.File.WriteAllText(path, content);
        return path;
    }

    private static (int ExitCode, string Output, string Error) Run(params string[] arguments) =>
        ChildProcess.Run(
            ChildProcess.File("MLSharpness.Cli"), ["compare-scores", .. arguments], ("OMP_NUM_THREADS", "1"), ("NO_COLOR", "1"));
}
