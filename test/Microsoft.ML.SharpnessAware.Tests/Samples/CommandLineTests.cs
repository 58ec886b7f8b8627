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

    private static readonly string[] Classes = ["across", "down", Odd];

    private static readonly TemporaryFolder Folder = new();
    private static readonly string ImagesPath = Folder.File(Images), ModelPath = Folder.File("model of three.zip");

    private static (int ExitCode, string Output, string Error) _training;

    [ClassInitialize]
    public static void TrainOnce(TestContext _)
    {
        foreach ((EncodedRow row, int number) in Shapes.Encoded(60).Select((row, number) => (row, number)))
        {
            string name = row.Label == "slanted" ? Odd : row.Label;
            Directory.CreateDirectory(Path.Combine(ImagesPath, name));
            File.WriteAllBytes(Path.Combine(ImagesPath, name, $"{number}.png"), row.Image);
        }

        _training = Run(["train", ImagesPath, "--out", ModelPath, "--json", .. Small]);
    }

    [ClassCleanup]
    public static void Free() => Folder.Dispose();

    private static string[] Small => ["--arch", "convnet", "--size", "12", "--epochs", "3", "--batch", "8", "--device", "cpu"];

    private static string APicture => Directory.EnumerateFiles(Path.Combine(ImagesPath, "down")).Order(StringComparer.Ordinal).First();

    [TestMethod]
    public void TrainWritesTheModelAndOneJsonDocument()
    {
        Assert.AreEqual(Done, _training.ExitCode, _training.Error);
        using JsonDocument json = JsonDocument.Parse(_training.Output);
        Assert.AreEqual(ModelPath, json.RootElement.GetProperty("model").GetString());
        JsonElement metrics = json.RootElement.GetProperty("metrics");
        Assert.IsInRange(0, 1, metrics.GetProperty("accuracy").GetDouble());
        Assert.AreEqual(2, metrics.GetProperty("expectedCalibrationErrorInterval").GetArrayLength());
        CollectionAssert.AreEqual(new[] { Path.GetFileName(ModelPath) }, FilesOf("model of three"), "no checkpoint is left");
        StringAssert.Contains(_training.Error, "3/3", "progress of the last epoch");
    }

    [TestMethod]
    [DataRow("None")]
    [DataRow("byrow")]
    public void ProcessesOfMpirunTrainOneModelWithOneProgressDisplay(string sharding)
    {
        string path = Folder.File("of two.zip");
        (int exitCode, string output, string error) = MpiRun.Run(
            MpiRun.Any(), 2, Tool, ["train", ImagesPath, "--out", path, "--json", "--sharding", sharding, .. Small]);

        Assert.AreEqual(Done, exitCode, error);
        using (JsonDocument json = JsonDocument.Parse(output[output.IndexOf('{')..]))
            Assert.AreEqual(path, json.RootElement.GetProperty("model").GetString());
        Assert.HasCount(2, error.Split("epoch 3/3"), error);
        CollectionAssert.AreEqual(new[] { "of two.zip" }, FilesOf("of two"));
        Assert.AreEqual(Done, Run("evaluate", path, ImagesPath).ExitCode);
        File.Delete(path);
    }

    [TestMethod]
    public void TrainWithoutWeightsSaysWhatItChoseAndWhatWouldHelp()
    {
        string model = Folder.File("default.zip");
        (int exitCode, string output, string error) =
            RunWith(Folder.File("no packages"), "train", ImagesPath, "--out", model, "--epochs", "1", "--json");
        File.Delete(model);

        Assert.AreEqual(Done, exitCode, error);
        Assert.IsNotNull(JsonDocument.Parse(output));
        StringAssert.Contains(error, "The network is 'resnet20' and starts from random weights.");
        StringAssert.Contains(error, "dotnet add package Microsoft.ML.DnnImageFeaturizer.ResNet18");
        StringAssert.Contains(error, "--weights FILE");
        Assert.HasCount(1, error.Split('\n').Where(line => line.Contains("poch 1/1", StringComparison.Ordinal)).ToArray(), error);
    }

    [TestMethod]
    public void TrainFindsTheNewestPackageInNuGetsFolderAndTrainsTheHead()
    {
        string packages = Folder.File("packages"), model = Folder.File("pretrained.zip");
        string newest = LayPackage(packages, "0.23.1");
        LayPackage(packages, "0.9.0");
        LayPackage(packages, "0.24.0");
        File.Delete(Path.Combine(packages, "microsoft.ml.dnnimagefeaturizer.resnet18", "0.24.0", InPackage));
        (int exitCode, _, string error) = RunWith(packages, "train", ImagesPath, "--out", model, "--size", "32", "--time-budget", "0",
            "--device", "cpu");
        string[] left = FilesOf("pretrained");
        (int asGentle, _, string gentle) = RunWith(packages, "train", ImagesPath, "--out", model, "--size", "32", "--fine-tuning",
            "gentle", "--epochs", "1", "--device", "cpu", "--weights", Path.Combine(packages, "microsoft.ml.dnnimagefeaturizer.resnet18"));
        Directory.Delete(packages, recursive: true);
        File.Delete(model);

        Assert.AreEqual(Done, exitCode, error);
        StringAssert.Contains(error, $"The network is 'mlnet_resnet18' and starts from the weights in '{newest}'");
        StringAssert.Contains(error, "images went through the backbone once");
        Assert.HasCount(1, error.Split('\n').Where(line => line.StartsWith("warning", StringComparison.Ordinal)).ToArray(), error);
        StringAssert.Contains(error, "warning: The temperature is fitted on 4");
        CollectionAssert.AreEqual(new[] { "pretrained.zip" }, left);
        Assert.AreEqual(Done, asGentle, gentle);
        StringAssert.Contains(gentle, "Gentle: accuracy");
    }

    [TestMethod]
    [DataRow("nowhere", "there is no such file or folder")]
    [DataRow("FOLDER", "there is no ResNet18.onnx in it")]
    [DataRow("PICTURE", "cannot be used")]
    public void WeightsThatAreNoneAreNamed(string weights, string says)
    {
        weights = weights.Replace("FOLDER", ImagesPath).Replace("PICTURE", APicture);
        (int exitCode, string output, string error) = Run("train", ImagesPath, "--out", Folder.File("w.zip"), "--weights", weights);
        Assert.AreEqual(AtFault, exitCode, error);
        Assert.AreEqual("", output);
        StringAssert.Contains(error, says);
        StringAssert.Contains(error, weights);
        Assert.HasCount(1, error.TrimEnd().Split('\n'), error);
    }

    [TestMethod]
    public void HelpNamesTheDefaultsThatTheLibraryHas()
    {
        (int exitCode, string output, string error) = Run("train", "--help");
        Assert.AreEqual(Done, exitCode, error);
        string help = string.Join(' ', output.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        foreach (string words in new[] { "[default: auto]", "--fine-tuning <Auto|Full|Gentle|HeadOnly>", "--time-budget", "--weights" })
            StringAssert.Contains(help, words);
        (_, output, _) = Run("compare", "--help");
        StringAssert.Contains(output, "[default: resnet20]");
        StringAssert.Contains(output, "[default: none]");
    }

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

    [TestMethod]
    public void PredictNamesTheClassesAndTheirProbabilities()
    {
        (int exitCode, string output, string error) = Run("predict", ModelPath, APicture, "--json");
        Assert.AreEqual(Done, exitCode, error);
        using JsonDocument json = JsonDocument.Parse(output);
        JsonElement result = json.RootElement.EnumerateArray().Single();
        Assert.AreEqual(APicture, result.GetProperty("file").GetString());
        JsonElement[] classes = [.. result.GetProperty("classes").EnumerateArray()];
        CollectionAssert.AreEquivalent(Classes, classes.Select(entry => entry.GetProperty("name").GetString()).ToArray());
        Assert.AreEqual(1, classes.Sum(entry => entry.GetProperty("probability").GetDouble()), 1e-5);

        (exitCode, output, error) = Run("predict", ModelPath, APicture);
        Assert.AreEqual(Done, exitCode, error);
        StringAssert.Contains(output, Odd);
    }

    [TestMethod]
    public void AModelThatWasCutShortIsNamedSo()
    {
        string cut = Folder.File("cut.zip");
        byte[] whole = File.ReadAllBytes(ModelPath);
        foreach (int length in new[] { whole.Length / 2, whole.Length - 1 })
        {
            File.WriteAllBytes(cut, whole[..length]);
            (int exitCode, _, string error) = Run("predict", cut, APicture);
            Assert.AreEqual(AtFault, exitCode, error);
            StringAssert.Contains(error, "it was cut short");
        }

        File.Delete(cut);
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

    [TestMethod]
    public void CompareShowsMeansAndDifferencesOverTheSeeds()
    {
        (int exitCode, string output, string error) = Run(["compare", ImagesPath, "--methods", "sgd", "csam", "--seeds", "2", .. Small]);
        Assert.AreEqual(Done, exitCode, error);
        StringAssert.Contains(output, "Means over 2 seeds");
        StringAssert.Contains(output, "mean difference [95 % interval]");
    }

    [TestMethod]
    public void CompareWithJsonHasEachSeed()
    {
        (int exitCode, string output, string error) =
            Run(["compare", ImagesPath, "--methods", "sgd", "sam", "--seeds", "2", "--json", .. Small]);
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
        (int exitCode, string output, string error) = Run(command, first == Images ? ImagesPath : first, second);
        Assert.AreEqual(AtFault, exitCode, error);
        Assert.AreEqual("", output);
        StringAssert.Contains(error, named);
        Assert.HasCount(1, error.TrimEnd().Split('\n'), error);
    }

    [TestMethod]
    public void PredictPrintsWhatItCanReadAndNamesTheBadOnes()
    {
        string bad = Folder.File("bad.png"), missing = Folder.File("missing.png");
        File.WriteAllBytes(bad, File.ReadAllBytes(APicture)[..60]);

        (int exitCode, string output, string error) = Run("predict", ModelPath, APicture, bad, missing, APicture, "--json");
        File.Delete(bad);

        Assert.AreEqual(AtFault, exitCode);
        using JsonDocument json = JsonDocument.Parse(output);
        CollectionAssert.AreEqual(new[] { APicture, APicture }, json.RootElement.EnumerateArray()
            .Select(entry => entry.GetProperty("file").GetString()).ToArray());
        StringAssert.Contains(error, "bad.png");
        StringAssert.Contains(error, "missing.png");
        Assert.HasCount(2, error.TrimEnd().Split('\n'), error);
    }

    [TestMethod]
    public void APictureWhoseNameBeginsWithAtIsAPicture()
    {
        string home = Path.Combine(Folder.Path, "@home.png");
        File.Copy(APicture, home);

        (int exitCode, string output, string error) = RunIn(Folder.Path, "predict", ModelPath, "@home.png");
        File.Delete(home);

        Assert.AreEqual(Done, exitCode, error);
        StringAssert.Contains(output, "@home.png");
    }

    [TestMethod]
    public void AnEscapeCharacterInANameNeverReachesTheTerminal()
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Windows has no such file names.");
        const string escape = "\u001b[2J\u202e";
        string images = Folder.File("escapes"), model = Folder.File("escapes.zip"), odd = Folder.File($"{escape}.png");
        foreach ((string path, int i) in Directory.EnumerateFiles(ImagesPath, "*.png", SearchOption.AllDirectories)
            .Select((path, i) => (path, i)))
        {
            string folder = Path.Combine(images, $"{escape}{Path.GetFileName(Path.GetDirectoryName(path))}");
            Directory.CreateDirectory(folder);
            File.Copy(path, Path.Combine(folder, $"{i}.png"));
        }

        File.Copy(APicture, odd);
        (int ExitCode, string Output, string Error)[] runs =
        [
            Run(["train", images, "--out", model, .. Small]),
            Run("predict", model, odd),
            Run("predict", model, odd + "missing"),
            Run("evaluate", model, escape),
            Run("evaluate", model, images, escape),
            Run(["compare", images, "--methods", escape]),
            Run("report", model, images, "--out", Folder.File(escape + ".html")),
        ];
        Directory.Delete(images, recursive: true);
        foreach (string file in Directory.EnumerateFiles(Folder.Path, "*escapes*")
            .Concat(Directory.EnumerateFiles(Folder.Path, "\u001b*")))
            File.Delete(file);

        CollectionAssert.AreEqual(new[] { Done, Done, AtFault, AtFault, WrongUsage, AtFault, Done }, runs.Select(run => run.ExitCode)
            .ToArray(),
            string.Join('\n', runs.Select(run => run.Error)));
        foreach ((_, string output, string error) in runs)
            Assert.IsFalse((output + error).Any(c => c is '\u001b' or '\u202e'), output + error);
        StringAssert.Contains(runs[1].Output, "\\u001B[2J");
    }

    [TestMethod]
    [DataRow("predict", "--top", "0")]
    [DataRow("evaluate", "--bins", "0")]
    [DataRow("train", "--test", "0")]
    [DataRow("train", "--test", "NaN")]
    [DataRow("train", "--epochs", "0")]
    [DataRow("compare", "--seeds", "0")]
    public void ANumberOutOfItsRangeIsWrongUsageThatNamesTheOption(string command, string option, string value)
    {
        string[] operands = command is "predict" ? [ModelPath, APicture] : command is "evaluate" ? [ModelPath, ImagesPath] : [ImagesPath];
        (int exitCode, _, string error) = Run([command, .. operands, option, value]);

        Assert.AreEqual(WrongUsage, exitCode, error);
        StringAssert.Contains(error, $"{option} must be");
    }

    /// <summary>Found before the first epoch: no line of progress comes before the error.</summary>
    [TestMethod]
    [DataRow("train", "--out", "FOLDER", "is a folder")]
    [DataRow("train", "--out", "PICTURE/model.zip", "cannot be written")]
    [DataRow("train", "--out", "none/", "is a folder")]
    [DataRow("train", "--test", "0.001", "none to test on")]
    [DataRow("train", "--test", "0.999", "none to train on")]
    [DataRow("compare", "--report", "FOLDER", "is a folder")]
    [DataRow("compare", "--test", "0.001", "none to test on")]
    [DataRow("report", "--out", "FOLDER", "is a folder")]
    public void WhatCannotSucceedFailsAtOnce(string command, string option, string value, string says)
    {
        string[] operands = command is "report" ? [ModelPath, ImagesPath] : [ImagesPath, .. Small];
        value = value.Replace("FOLDER", ImagesPath).Replace("PICTURE", APicture).Replace("none/", Folder.File("none/"));

        (int exitCode, string output, string error) = Run([command, .. operands, option, value]);

        Assert.AreEqual(AtFault, exitCode, error);
        Assert.AreEqual("", output);
        StringAssert.Contains(error, says);
        Assert.HasCount(1, error.TrimEnd().Split('\n'), error);
        Assert.IsFalse(File.Exists(ImagesPath + ".checkpoint"));
    }

    /// <summary>The folder of the model becomes a file while the training runs, so that nothing can be saved at its end.</summary>
    [TestMethod]
    public void NumbersArePrintedEvenWhereTheModelCannotBeSaved()
    {
        string folder = Folder.File("vanishing"), model = Path.Combine(folder, "model.zip");
        using Process process = ChildProcess.Start(Tool,
            ["train", ImagesPath, "--out", model, "--json", .. Small[..4], "--epochs", "60", "--batch", "8"]);
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        while (process.StandardError.ReadLine() is string line && !line.Contains("2/60", StringComparison.Ordinal))
        {
        }

        Task<string> error = process.StandardError.ReadToEndAsync();
        Directory.CreateDirectory(model);
        process.WaitForExit();
        Directory.Delete(folder, recursive: true);

        Assert.AreEqual(AtFault, process.ExitCode, error.Result);
        using JsonDocument json = JsonDocument.Parse(output.Result);
        Assert.IsGreaterThan(0, json.RootElement.GetProperty("metrics").GetProperty("count").GetInt32());
        StringAssert.Contains(error.Result, "model.zip");
    }

    [TestMethod]
    public void CompareShowsWhatItHasWhenALaterTrainingFails()
    {
        // The second method's radius makes the training diverge.
        (int exitCode, string output, string error) =
            Run(["compare", ImagesPath, "--methods", "sgd", "sam", "--seeds", "1", "--rho", "1e30", .. Small]);

        Assert.AreEqual(AtFault, exitCode, error);
        StringAssert.Contains(output, "Standard");
    }

    /// <summary>The label of this model is a number, and the model makes no names of it.</summary>
    [TestMethod]
    public void NumericLabelsAreNamedByTheClassifier()
    {
        string model = Folder.File("numeric.zip");
        var mlContext = new MLContext(seed: 1);
        IDataView data = mlContext.Data.LoadFromEnumerable(Shapes.Encoded(30).Select(row => new NumericRow
        {
            Label = 7 * (1 + Array.IndexOf(Shapes.Names, row.Label)), ImagePath = row.ImagePath, Image = row.Image,
        }).ToArray());
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        (options.FeatureColumnName, options.Epoch) = ("Image", 1);
        ITransformer fitted = mlContext.Transforms.Conversion.MapValueToKey("Label")
            .Append(mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options)).Fit(data);
        mlContext.Model.Save(fitted, data.Schema, model);

        (int exitCode, string output, string error) = Run("predict", model, APicture, "--json");
        File.Delete(model);

        Assert.AreEqual(Done, exitCode, error);
        using JsonDocument json = JsonDocument.Parse(output);
        string?[] names = [.. json.RootElement[0].GetProperty("classes").EnumerateArray()
            .Select(entry => entry.GetProperty("name").GetString())];
        CollectionAssert.AreEquivalent(new[] { "7", "14", "21" }, names);
    }

    [TestMethod]
    public void AnUnknownOptionIsWrongUsage() => Assert.AreEqual(WrongUsage, Run("train", ImagesPath, "--speed", "9").ExitCode);

    [TestMethod]
    [DataRow("INT")]
    [DataRow("TERM")]
    public void CtrlCSavesTheBestModelSoFarAndTheSameCommandGoesOn(string signal)
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Ctrl+C is sent by kill, which Windows lacks.");
        if (signal == "INT" && IgnoresInterrupts())
            Assert.Inconclusive("These tests were started in the background, where SIGINT is ignored; child processes inherit that.");
        string model = Folder.File("stopped.zip");
        using (Process process = ChildProcess.Start(Tool,
            ["train", ImagesPath, "--out", model, .. Small[..4], "--epochs", "20000", "--batch", "8"]))
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
        foreach (string file in Directory.EnumerateFiles(Folder.Path, "stopped*"))
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

    private static (int ExitCode, string Output, string Error) RunWith(string packages, params string[] arguments) =>
        ChildProcess.Run(Tool, arguments, ("OMP_NUM_THREADS", "1"), ("NO_COLOR", "1"), ("NUGET_PACKAGES", packages));

    private static string InPackage { get; } = Path.Combine("tools", "DnnImageModels", "ResNet18Onnx", "ResNet18.onnx");

    /// <summary>What NuGet's folder has of the package, with a link to the weights; returns its path.</summary>
    private static string LayPackage(string packages, string version)
    {
        string path = Path.Combine(packages, "microsoft.ml.dnnimagefeaturizer.resnet18", version, InPackage);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.CreateSymbolicLink(path, OnnxFile.ResNet18);
        return path;
    }

    private static (int ExitCode, string Output, string Error) RunIn(string folder, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [Tool, .. arguments])
        {
            WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true, Environment = { ["NO_COLOR"] = "1" },
        };
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }

    private sealed class NumericRow
    {
        public int Label { get; set; }

        public string ImagePath { get; set; } = "";

        public byte[] Image { get; set; } = [];
    }

    private static string[] FilesOf(string name) =>
        [.. Folder.FileNames().Where(file => file.StartsWith(name, StringComparison.Ordinal))];
}
