using System.Diagnostics;
using System.Text.Json;

namespace Microsoft.ML.SharpnessAware.Tests.Samples;

// mlsharpness evaluate, and report.
public sealed partial class CommandLineTests
{
    [TestMethod]
    public void EvaluateGivesWhatTheLibraryMeasures()
    {
        string images = CopyWithWrongLabels("measured by both");
        (int exitCode, string output, string error) = Run("evaluate", ModelPath, images, "--bins", "200", "--json");
        MulticlassCalibrationMetrics expected = Measured(images, bins: 200);
        Directory.Delete(images, recursive: true);
        Assert.AreEqual(Done, exitCode, error);
        using JsonDocument json = JsonDocument.Parse(output);

        CalibrationIntervals intervals = expected.Bootstrap();
        Assert.AreEqual(60, json.RootElement.GetProperty("count").GetInt64());
        Assert.AreEqual(0, json.RootElement.GetProperty("skippedRows").GetInt64());
        Assert.AreEqual(3, json.RootElement.GetProperty("numberOfClasses").GetInt32());
        Assert.AreEqual(expected.Accuracy, json.RootElement.GetProperty("accuracy").GetDouble());
        foreach ((string name, double value) in new[]
        {
            ("meanConfidence", expected.MeanConfidence), ("expectedCalibrationError", expected.ExpectedCalibrationError),
            ("adaptiveCalibrationError", expected.AdaptiveCalibrationError),
            ("classwiseCalibrationError", expected.ClasswiseCalibrationError),
            ("maximumCalibrationError", expected.MaximumCalibrationError), ("brierScore", expected.BrierScore),
            ("logLoss", expected.LogLoss),
            ("areaUnderRiskCoverageCurve", expected.AccuracyRejectionCurve.AreaUnderRiskCoverageCurve),
        })
            Assert.AreEqual(value, json.RootElement.GetProperty(name).GetDouble(), 1e-6, name);
        foreach ((string name, ConfidenceInterval interval) in new[]
        {
            ("accuracy", intervals.Accuracy), ("expectedCalibrationError", intervals.ExpectedCalibrationError),
            ("brierScore", intervals.BrierScore), ("logLoss", intervals.LogLoss),
        })
        {
            double[] ends = [.. json.RootElement.GetProperty(name + "Interval").EnumerateArray().Select(end => end.GetDouble())];
            Assert.HasCount(2, ends);
            Assert.AreEqual(interval.Lower, ends[0], 1e-6, name);
            Assert.AreEqual(interval.Upper, ends[1], 1e-6, name);
        }
    }

    /// <summary>The folders have the names of numbers, of which the model's pipeline makes numbers.</summary>
    [TestMethod]
    public void ScoresOfAModelWhoseLabelKeysAreNumbersAreWritten()
    {
        string images = CopyOfImages("of numbers"), model = Folder.File("numbers.zip"), scores = Folder.File("numbers.csv");
        foreach ((string name, int number) in Classes.Select((name, number) => (name, number)))
            Directory.Move(Path.Combine(images, name), Path.Combine(images, $"{7 * (number + 1)}"));
        var mlContext = new MLContext(seed: 1);
        IDataView data = mlContext.Data.LoadImagesFromFolder(images);
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        (options.Epoch, options.ImageWidth, options.ImageHeight) = (1, Shapes.Size, Shapes.Size);
        ITransformer fitted = mlContext.Transforms.Conversion.ConvertType("Label", outputKind: Data.DataKind.Int32)
            .Append(mlContext.Transforms.Conversion.MapValueToKey("Label"))
            .Append(mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options)).Fit(data);
        mlContext.Model.Save(fitted, data.Schema, model);

        (int exitCode, string output, string error) = Run("evaluate", model, images, "--scores", scores, "--json");
        Directory.Delete(images, recursive: true);
        File.Delete(model);
        Assert.AreEqual(Done, exitCode, error);
        string[] lines = File.ReadAllLines(scores);
        File.Delete(scores);

        string[] header = lines[0].Split(',');
        CollectionAssert.AreEquivalent(new[] { "ImagePath", "Label", "Score.7", "Score.14", "Score.21" }, header);
        CollectionAssert.AreEquivalent(new[] { "7", "14", "21" }, lines[1..].Select(line => line.Split(',')[1]).Distinct().ToArray());
        using JsonDocument json = JsonDocument.Parse(output);
        int right = lines[1..].Count(line => line.Split(',') is var cells && header[2..].Zip(cells[2..].Select(float.Parse))
            .MaxBy(pair => pair.Second).First == $"Score.{cells[1]}");
        Assert.AreEqual(right / 60.0, json.RootElement.GetProperty("accuracy").GetDouble(), 1e-9);
    }

    [TestMethod]
    public void TheSeedOfEvaluateIsThatOfItsIntervals()
    {
        string images = CopyWithWrongLabels("of a seed");
        (int exitCode, string output, string error) = Run("evaluate", ModelPath, images, "--seed", "7", "--json");
        MulticlassCalibrationMetrics expected = Measured(images, bins: 15);
        Directory.Delete(images, recursive: true);
        Assert.AreEqual(Done, exitCode, error);
        using JsonDocument json = JsonDocument.Parse(output);
        double upper = json.RootElement.GetProperty("logLossInterval")[1].GetDouble();
        Assert.AreEqual(expected.Bootstrap(seed: 7).LogLoss.Upper, upper, 1e-6);
        Assert.AreNotEqual(expected.Bootstrap().LogLoss.Upper, upper, 1e-4);
    }

    [TestMethod]
    public void EvaluateShowsPeopleWhatTheLibraryMeasures()
    {
        string images = CopyWithWrongLabels("shown to people");
        (int exitCode, string output, string error) = Run("evaluate", ModelPath, images, "--bins", "200");
        MulticlassCalibrationMetrics expected = Measured(images, bins: 200);
        Directory.Delete(images, recursive: true);
        Assert.AreEqual(Done, exitCode, error);
        CalibrationIntervals intervals = expected.Bootstrap();
        StringAssert.Contains(output, "60 images");
        Shows("Accuracy", intervals.Accuracy, expected.Accuracy, "P1");
        Shows("Mean confidence", intervals.MeanConfidence, expected.MeanConfidence, "P1");
        Shows("Expected calibration error", intervals.ExpectedCalibrationError, expected.ExpectedCalibrationError, "P1");
        Shows("Adaptive calibration error", intervals.AdaptiveCalibrationError, expected.AdaptiveCalibrationError, "P1");
        Shows("Classwise calibration error", null, expected.ClasswiseCalibrationError, "P1");
        Shows("Log loss", intervals.LogLoss, expected.LogLoss, "F3");
        Shows("Brier score", intervals.BrierScore, expected.BrierScore, "F3");

        void Shows(string name, ConfidenceInterval? interval, double value, string format)
        {
            string line = output.Split('\n').Single(one => one.TrimStart().StartsWith(name, StringComparison.Ordinal)).Trim();
            string rest = line[name.Length..].TrimStart();
            StringAssert.StartsWith(rest, value.ToString(format), line);
            if (interval is { } known)
                StringAssert.EndsWith(rest, $" {known.Lower.ToString(format)} to {known.Upper.ToString(format)}", line);
        }
    }

    [TestMethod]
    public void TheScoresOfEvaluateAreComparedWithThemselves()
    {
        string scores = Folder.File("scores.csv");
        (int exitCode, string output, string error) = Run("evaluate", ModelPath, ImagesPath, "--scores", scores, "--bins", "200",
            "--json");
        Assert.AreEqual(Done, exitCode, error);
        using JsonDocument evaluated = JsonDocument.Parse(output);
        (exitCode, output, error) = Run("compare-scores", scores, scores, "--group", "Label", "--json");
        string[] lines = File.ReadAllLines(scores);
        File.Delete(scores);
        Assert.AreEqual(Done, exitCode, error);
        using JsonDocument compared = JsonDocument.Parse(output);
        foreach (string[] cells in lines.Skip(1).Select(line => line.Split(',')))
            Assert.AreEqual(Path.GetFileName(Path.GetDirectoryName(cells[0])), cells[1], "the folder is the class");
        double logLoss = evaluated.RootElement.GetProperty("logLoss").GetDouble();
        MulticlassCalibrationMetrics ofFewBins = Measured(ImagesPath, bins: 15), ofMany = Measured(ImagesPath, bins: 200);
        Assert.AreEqual(ofMany.LogLoss, logLoss, 1e-6, "as without a file");
        Assert.AreEqual(ofMany.MaximumCalibrationError, evaluated.RootElement.GetProperty("maximumCalibrationError").GetDouble(), 1e-6);
        Assert.AreNotEqual(ofFewBins.MaximumCalibrationError, ofMany.MaximumCalibrationError, 1e-3);
        Assert.AreEqual(logLoss,
            compared.RootElement.GetProperty("models")[0].GetProperty("metrics").GetProperty("logLoss").GetDouble(), 1e-9);
        CollectionAssert.AreEquivalent(Classes, compared.RootElement.GetProperty("differences").EnumerateArray().Skip(1)
            .Select(one => one.GetProperty("group").GetString()).ToArray());
        Assert.AreEqual(0, compared.RootElement.GetProperty("differences")[0].GetProperty("logLoss")[0].GetDouble());
    }

    [TestMethod]
    public void NamesWithCommasAndQuotesAreTheSameInAFileOfScores()
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Windows has no quotes in names.");
        string images = CopyOfImages("of odd names"), model = Folder.File("odd.zip"), scores = Folder.File("odd.csv");
        string[] names = ["a, \"b\"", "c"];
        Directory.Move(Path.Combine(images, "across"), Path.Combine(images, names[0]));
        Directory.Move(Path.Combine(images, "down"), Path.Combine(images, names[1]));
        Directory.Delete(Path.Combine(images, Odd), recursive: true);
        (int ExitCode, string Output, string Error)[] runs =
        [
            Run(["train", images, "--out", model, .. Small]),
            Run("evaluate", model, images, "--scores", scores),
            Run("compare-scores", scores, scores, "--group", "Label", "--json"),
        ];
        string header = File.Exists(scores) ? File.ReadLines(scores).First() : "";
        Directory.Delete(images, recursive: true);
        File.Delete(model);
        File.Delete(scores);

        foreach ((int exitCode, _, string error) in runs)
            Assert.AreEqual(Done, exitCode, error);
        Assert.AreEqual("ImagePath,Label,\"Score.a, \"\"b\"\"\",Score.c", header);
        using JsonDocument compared = JsonDocument.Parse(runs[2].Output);
        CollectionAssert.AreEquivalent(names, compared.RootElement.GetProperty("differences").EnumerateArray().Skip(1)
            .Select(one => one.GetProperty("group").GetString()).ToArray());
    }

    /// <summary>The model knows none of the classes, so that there is nothing to measure.</summary>
    [TestMethod]
    public void ScoresThatCannotBeMeasuredAreKept()
    {
        string images = CopyOfImages("of unknown classes"), scores = Folder.File("kept.csv");
        foreach ((string folder, int number) in Directory.GetDirectories(images).Select((folder, number) => (folder, number)))
            Directory.Move(folder, Path.Combine(images, $"other {number}"));
        (int exitCode, string output, string error) = Run("evaluate", ModelPath, images, "--scores", scores);
        Directory.Delete(images, recursive: true);
        string[] lines = File.Exists(scores) ? File.ReadAllLines(scores) : [];
        File.Delete(scores);

        Assert.AreEqual(AtFault, exitCode, error);
        Assert.AreEqual("", output);
        Assert.HasCount(61, lines, error);
        StringAssert.Contains(error, $"The scores are in {scores}.");
        Assert.HasCount(1, error.Split('\n').Where(line => line.StartsWith("error: ", StringComparison.Ordinal)).ToArray(), error);
    }

    [TestMethod]
    public void ADamagedPictureIsNamedWhereItsScoresAreWrittenToo()
    {
        string images = CopyOfImages("damaged"), scores = Folder.File("damaged.csv");
        string picture = Cut(Directory.EnumerateFiles(Path.Combine(images, "down")).First());
        (int exitCode, string output, string error) = Run("evaluate", ModelPath, images, "--scores", scores);
        Directory.Delete(images, recursive: true);

        Assert.AreEqual(AtFault, exitCode, error);
        Assert.AreEqual("", output);
        StringAssert.Contains(error, $"'{picture}': the image is truncated");
        Assert.IsEmpty(FilesOf("damaged.csv"));
    }

    [TestMethod]
    [DataRow("/dev/stdout")]
    [DataRow("/dev/fd/1")]
    [DataRow("/proc/self/fd/1")]
    [DataRow("LINK")]
    public void ScoresGoToStandardOutputAloneWhereThatIsTheFile(string scores)
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Windows has no /dev/stdout.");
        if (scores.StartsWith("/proc", StringComparison.Ordinal) && !OperatingSystem.IsLinux())
            Assert.Inconclusive("Only Linux has /proc.");
        string link = Folder.File("link to the output.csv");
        if (scores == "LINK")
            Links.Make(scores = link, "/dev/stdout");
        (int exitCode, string output, string error) = Run("evaluate", ModelPath, ImagesPath, "--scores", scores);
        File.Delete(link);

        Assert.AreEqual(Done, exitCode, error);
        string[] lines = output.TrimEnd().Split('\n');
        Assert.HasCount(61, lines, output);
        StringAssert.StartsWith(lines[0], "ImagePath,Label,Score.");
        StringAssert.Contains(error, "Expected calibration error");
    }

    /// <summary>A file that the shell has opened.</summary>
    [TestMethod]
    [DataRow("/dev/stdout")]
    [DataRow("LINK")]
    public void ScoresAreAppendedToTheFileThatStandardOutputIs(string scores)
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Windows has no /dev/stdout.");
        string file = Folder.File("opened by the shell.csv"), link = Folder.File("link to the opened.csv");
        File.WriteAllText(file, "from before\n");
        if (scores == "LINK")
            Links.Make(scores = link, "/dev/stdout");
        var start = new ProcessStartInfo("/bin/sh",
            ["-c", "exec dotnet \"$@\" >> \"$0\"", file, Tool, "evaluate", ModelPath, ImagesPath, "--scores", scores])
            { RedirectStandardError = true };
        using var process = Process.Start(start)!;
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        string[] lines = File.ReadAllLines(file);
        File.Delete(file);
        File.Delete(link);

        Assert.AreEqual(Done, process.ExitCode, error);
        Assert.HasCount(62, lines);
        Assert.AreEqual("from before", lines[0]);
        StringAssert.StartsWith(lines[1], "ImagePath,Label,Score.");
    }

    [TestMethod]
    [Timeout(60_000)]       // a pipe waits for its other end
    public void ScoresGoIntoAPipeWhichStays()
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Windows has no named pipes among its files.");
        string pipe = Folder.File("pipe.csv");
        Process.Start("mkfifo", [pipe]).WaitForExit();
        Task<string> read = Task.Run(() => File.ReadAllText(pipe));
        (int exitCode, _, string error) = Run("evaluate", ModelPath, ImagesPath, "--scores", pipe);

        Assert.AreEqual(Done, exitCode, error);
        Assert.HasCount(61, read.Result.TrimEnd().Split('\n'));
        File.Delete(pipe);
    }

    [TestMethod]
    public void ReportWritesAPage()
    {
        string page = Folder.File("page.html");
        (int exitCode, _, string error) = Run("report", ModelPath, ImagesPath, "--out", page);
        Assert.AreEqual(Done, exitCode, error);
        StringAssert.Contains(File.ReadAllText(page), "<svg");
        File.Delete(page);
    }

    /// <summary>A copy of the images in which some lie in the wrong folder, so that a sure model is wrong.</summary>
    private static string CopyWithWrongLabels(string name)
    {
        string images = CopyOfImages(name);
        foreach (string picture in Directory.GetFiles(Path.Combine(images, "down")).Order(StringComparer.Ordinal).Take(5))
            File.Move(picture, Path.Combine(images, "across", Path.GetFileName(picture)));
        return images;
    }

    /// <summary>What the library measures of the model.</summary>
    private static MulticlassCalibrationMetrics Measured(string images, int bins)
    {
        var mlContext = new MLContext(seed: 1);
        ITransformer model = mlContext.Model.Load(ModelPath, out DataViewSchema _);
        using var disposable = (IDisposable)model;
        return mlContext.MulticlassClassification.EvaluateCalibration(
            model.Transform(mlContext.Data.LoadImagesFromFolder(images)), numberOfBins: bins);
    }
}
