using System.Diagnostics;
using System.Text.Json;

namespace Microsoft.ML.SharpnessAware.Tests.Samples;

// mlsharpness evaluate, and report.
public sealed partial class CommandLineTests
{
    [TestMethod]
    public void EvaluateGivesWhatTheLibraryMeasures()
    {
        (int exitCode, string output, string error) = Run("evaluate", ModelPath, ImagesPath, "--json");
        Assert.AreEqual(Done, exitCode, error);
        using JsonDocument json = JsonDocument.Parse(output);

        var mlContext = new MLContext(seed: 1);
        ITransformer model = mlContext.Model.Load(ModelPath, out DataViewSchema _);
        using var disposable = (IDisposable)model;
        MulticlassCalibrationMetrics expected = mlContext.MulticlassClassification.EvaluateCalibration(
            model.Transform(mlContext.Data.LoadImagesFromFolder(ImagesPath)));
        Assert.AreEqual(60, json.RootElement.GetProperty("count").GetInt64());
        Assert.AreEqual(expected.Accuracy, json.RootElement.GetProperty("accuracy").GetDouble());
        Assert.AreEqual(expected.ExpectedCalibrationError, json.RootElement.GetProperty("expectedCalibrationError").GetDouble(), 1e-6);
    }

    [TestMethod]
    public void TheScoresOfEvaluateAreComparedWithThemselves()
    {
        string scores = Folder.File("scores.csv");
        (int exitCode, string output, string error) = Run("evaluate", ModelPath, ImagesPath, "--scores", scores, "--json");
        Assert.AreEqual(Done, exitCode, error);
        using JsonDocument evaluated = JsonDocument.Parse(output);
        (exitCode, output, error) = Run("compare-scores", scores, scores, "--group", "Label", "--json");
        File.Delete(scores);
        Assert.AreEqual(Done, exitCode, error);
        using JsonDocument compared = JsonDocument.Parse(output);
        Assert.AreEqual(evaluated.RootElement.GetProperty("logLoss").GetDouble(),
            compared.RootElement.GetProperty("models")[0].GetProperty("metrics").GetProperty("logLoss").GetDouble(), 1e-9);
        CollectionAssert.AreEquivalent(Classes, compared.RootElement.GetProperty("differences").EnumerateArray().Skip(1)
            .Select(one => one.GetProperty("group").GetString()).ToArray());
        Assert.AreEqual(0, compared.RootElement.GetProperty("differences")[0].GetProperty("logLoss")[0].GetDouble());
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
}
