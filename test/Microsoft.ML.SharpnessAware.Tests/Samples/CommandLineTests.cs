using System.Diagnostics;
using System.Text.Json;

namespace Microsoft.ML.SharpnessAware.Tests.Samples;

/// <summary>The tool `mlsharpness` as its users see it: arguments in, standard output and exit code out.</summary>
[TestClass]
public sealed class CommandLineTests
{
    private const int Done = 0, WrongUsage = 1, AtFault = 2, Stopped = 130;

    // A name that markup would be seen in.
    private const string Odd = "[red]slanted";

    private const string Images = "images";

    private static readonly string[] _classes = ["across", "down", Odd];

    private static readonly TemporaryFolder _folder = new();
    private static readonly string _images = _folder.File(Images), _model = _folder.File("model of three.zip");

    private static (int ExitCode, string Output, string Error) _training;

    [ClassInitialize]
    public static void TrainOnce(TestContext _)
    {
        foreach ((EncodedRow row, int number) in Shapes.Encoded(60).Select((row, number) => (row, number)))
        {
            string name = row.Label == "slanted" ? Odd : row.Label;
            Directory.CreateDirectory(Path.Combine(_images, name));
            File.WriteAllBytes(Path.Combine(_images, name, $"{number}.png"), row.Image);
        }

        _training = Run(["train", _images, "--out", _model, "--json", .. Small]);
    }

    [ClassCleanup]
    public static void Free() => _folder.Dispose();

    private static string[] Small => ["--arch", "convnet", "--size", "12", "--epochs", "3", "--batch", "8", "--device", "cpu"];

    private static string APicture => Directory.EnumerateFiles(Path.Combine(_images, "down")).Order(StringComparer.Ordinal).First();

    [TestMethod]
    public void TrainWritesTheModelAndOneJsonDocument()
    {
        Assert.AreEqual(Done, _training.ExitCode, _training.Error);
        using JsonDocument json = JsonDocument.Parse(_training.Output);
        Assert.AreEqual(_model, json.RootElement.GetProperty("model").GetString());
        JsonElement metrics = json.RootElement.GetProperty("metrics");
        Assert.IsInRange(0, 1, metrics.GetProperty("accuracy").GetDouble());
        Assert.AreEqual(2, metrics.GetProperty("expectedCalibrationErrorInterval").GetArrayLength());
        CollectionAssert.AreEqual(new[] { Path.GetFileName(_model) }, FilesOf("model of three"), "no checkpoint is left");
        StringAssert.Contains(_training.Error, "3/3", "progress of the last epoch");
    }

    [TestMethod]
    public void EvaluateGivesWhatTheLibraryMeasures()
    {
        (int exitCode, string output, string error) = Run("evaluate", _model, _images, "--json");
        Assert.AreEqual(Done, exitCode, error);
        using JsonDocument json = JsonDocument.Parse(output);

        var mlContext = new MLContext(seed: 1);
        ITransformer model = mlContext.Model.Load(_model, out DataViewSchema _);
        using var disposable = (IDisposable)model;
        MulticlassCalibrationMetrics expected = mlContext.MulticlassClassification.EvaluateCalibration(
            model.Transform(mlContext.Data.LoadImagesFromFolder(_images)));
        Assert.AreEqual(60, json.RootElement.GetProperty("count").GetInt64());
        Assert.AreEqual(expected.Accuracy, json.RootElement.GetProperty("accuracy").GetDouble());
        Assert.AreEqual(expected.ExpectedCalibrationError, json.RootElement.GetProperty("expectedCalibrationError").GetDouble(), 1e-6);
    }

    [TestMethod]
    public void PredictNamesTheClassesAndTheirProbabilities()
    {
        (int exitCode, string output, string error) = Run("predict", _model, APicture, "--json");
        Assert.AreEqual(Done, exitCode, error);
        using JsonDocument json = JsonDocument.Parse(output);
        JsonElement result = json.RootElement.EnumerateArray().Single();
        Assert.AreEqual(APicture, result.GetProperty("file").GetString());
        JsonElement[] classes = [.. result.GetProperty("classes").EnumerateArray()];
        CollectionAssert.AreEquivalent(_classes, classes.Select(entry => entry.GetProperty("name").GetString()).ToArray());
        Assert.AreEqual(1, classes.Sum(entry => entry.GetProperty("probability").GetDouble()), 1e-5);

        (exitCode, output, error) = Run("predict", _model, APicture);
        Assert.AreEqual(Done, exitCode, error);
        StringAssert.Contains(output, Odd);
    }

    [TestMethod]
    public void ReportWritesAPage()
    {
        string page = _folder.File("page.html");
        (int exitCode, _, string error) = Run("report", _model, _images, "--out", page);
        Assert.AreEqual(Done, exitCode, error);
        StringAssert.Contains(File.ReadAllText(page), "<svg");
        File.Delete(page);
    }

    [TestMethod]
    public void CompareShowsMeansAndDifferencesOverTheSeeds()
    {
        (int exitCode, string output, string error) = Run(["compare", _images, "--methods", "sgd", "csam", "--seeds", "2", .. Small]);
        Assert.AreEqual(Done, exitCode, error);
        StringAssert.Contains(output, "Means over 2 seeds");
        StringAssert.Contains(output, "mean difference [95 % interval]");
    }

    [TestMethod]
    public void CompareWithJsonHasEachSeed()
    {
        (int exitCode, string output, string error) =
            Run(["compare", _images, "--methods", "sgd", "sam", "--seeds", "2", "--json", .. Small]);
        Assert.AreEqual(Done, exitCode, error);
        using JsonDocument json = JsonDocument.Parse(output);
        JsonElement[] methods = [.. json.RootElement.EnumerateArray()];
        Assert.HasCount(2, methods);
        Assert.AreEqual(2, methods[1].GetProperty("seeds").GetArrayLength());
        Assert.AreEqual(3, methods[1].GetProperty("differenceFromFirst").GetProperty("ECE").GetArrayLength());
    }

    [TestMethod]
    [DataRow("evaluate", "no model.zip", ".", "no model.zip")]
    [DataRow("train", "no folder", "--json", "no folder")]
    [DataRow("train", Images, "--method=adam", "adam")]
    public void WhatIsAtFaultIsNamedInOneLine(string command, string first, string second, string named)
    {
        (int exitCode, string output, string error) = Run(command, first == Images ? _images : first, second);
        Assert.AreEqual(AtFault, exitCode, error);
        Assert.AreEqual("", output);
        StringAssert.Contains(error, named);
        Assert.HasCount(1, error.TrimEnd().Split('\n'), error);
    }

    [TestMethod]
    public void AnUnknownOptionIsWrongUsage() => Assert.AreEqual(WrongUsage, Run("train", _images, "--speed", "9").ExitCode);

    [TestMethod]
    [DataRow("INT")]
    [DataRow("TERM")]
    public void CtrlCSavesTheBestModelSoFarAndTheSameCommandGoesOn(string signal)
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Ctrl+C is sent by kill, which Windows lacks.");
        if (signal == "INT" && IgnoresInterrupts())
            Assert.Inconclusive("These tests were started in the background, where SIGINT is ignored; child processes inherit that.");
        string model = _folder.File("stopped.zip");
        using (Process process = ChildProcess.Start(Tool, ["train", _images, "--out", model, .. Small[..4], "--epochs", "20000", "--batch", "8"]))
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            string? line;
            do
                line = process.StandardError.ReadLine();
            while (line is not null && !line.Contains("2/20000", StringComparison.Ordinal));
            Assert.IsNotNull(line, "the training ended by itself");
            Task<string> rest = process.StandardError.ReadToEndAsync();
            Process.Start("kill", [$"-{signal}", $"{process.Id}"]).WaitForExit();
            if (!process.WaitForExit(TimeSpan.FromSeconds(50)))
            {
                process.Kill();
                Assert.Fail("still running after 50 seconds");
            }

            Assert.AreEqual(Stopped, process.ExitCode, rest.Result + output.Result);
            StringAssert.Contains(rest.Result, "The best model so far is in");
        }

        Assert.IsTrue(File.Exists(model + ".checkpoint"));
        Assert.AreEqual(Done, Run("predict", model, APicture).ExitCode);
        foreach (string file in Directory.EnumerateFiles(_folder.Path, "stopped*"))
            File.Delete(file);
    }

    // Bit n - 1 of the mask stands for signal n; SIGINT is 2.
    private static bool IgnoresInterrupts() =>
        OperatingSystem.IsLinux() &&
        File.ReadLines("/proc/self/status").First(line => line.StartsWith("SigIgn:", StringComparison.Ordinal)) is string line &&
        (Convert.ToUInt64(line[7..].Trim(), 16) & 2) != 0;

    private static string Tool => ChildProcess.File("MLSharpness.Cli");

    private static (int ExitCode, string Output, string Error) Run(params string[] arguments) =>
        ChildProcess.Run(Tool, arguments, ("OMP_NUM_THREADS", "1"), ("NO_COLOR", "1"));

    private static string[] FilesOf(string name) =>
        [.. _folder.FileNames().Where(file => file.StartsWith(name, StringComparison.Ordinal))];
}
