using System.Diagnostics;

namespace Microsoft.ML.SharpnessAware.Tests.Samples;

/// <summary>The tool `mlsharpness` as its users see it: arguments in, standard output and exit code out.</summary>
[TestClass]
public sealed partial class CommandLineTests
{
    private const int Done = 0, WrongUsage = 1, AtFault = 2, Interrupted = 130, Stopped = 143;

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

    /// <summary>A comma is read as one of thousands by .NET, so that ρ would be 5.</summary>
    [TestMethod]
    [DataRow("--rho", "0,05", "such as 0.05")]
    [DataRow("--learning-rate", "0,01", "such as 0.05")]
    [DataRow("--gamma", "0,1", "such as 0.05")]
    [DataRow("--time-budget", "0,5", "such as 0.05")]
    [DataRow("--test", "1,000", "such as 0.05")]
    [DataRow("--rho", "-1", "at least 0")]
    [DataRow("--learning-rate", "0", "greater than 0")]
    [DataRow("--gamma", "3", "from 0 to 2")]
    [DataRow("--gamma", "NaN", "from 0 to 2")]
    public void ANumberThatIsNoneOrOutOfItsRangeIsWrongUsage(string option, string value, string words)
    {
        (int exitCode, _, string error) = Run("train", ImagesPath, option, value);
        Assert.AreEqual(WrongUsage, exitCode, error);
        StringAssert.Contains(error, $"{option} must be ");
        StringAssert.Contains(error, words);
        StringAssert.Contains(error, value);
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
    [DataRow("evaluate", "--bins", "10001")]
    [DataRow("train", "--time-budget", "1e12")]
    [DataRow("train", "--learning-rate", "1e39")]
    [DataRow("train", "--rho", "1e39")]
    [DataRow("compare", "--rho", "1e39")]
    [DataRow("train", "--size", "8193")]
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
    [DataRow("train", "--out", "FOLDER", "/model.zip'")]
    [DataRow("train", "--out", "PICTURE/model.zip", "cannot be written")]
    [DataRow("train", "--out", "none/", "is a folder")]
    [DataRow("train", "--test", "0.001", "none to test on")]
    [DataRow("train", "--test", "0.999", "none to train on")]
    [DataRow("train", "--out", "BUSY", "busy.zip.checkpoint' is a folder. Move it, or give --out another name.")]
    [DataRow("train", "--out", "LONG", "Give --out a shorter name.")]
    [DataRow("report", "--out", "TOO LONG", "Give --out a shorter name.")]
    [DataRow("compare", "--report", "TOO LONG", "Give --report a shorter name.")]
    [DataRow("compare", "--report", "FOLDER", "/report.html'")]
    [DataRow("evaluate", "--scores", "FOLDER", "/scores.csv'")]
    [DataRow("compare", "--test", "0.001", "none to test on")]
    [DataRow("report", "--out", "FOLDER", "/report.html'")]
    public void WhatCannotSucceedFailsAtOnce(string command, string option, string value, string says)
    {
        string[] operands = command is "report" or "evaluate" ? [ModelPath, ImagesPath] : [ImagesPath, .. Small];
        value = value.Replace("FOLDER", ImagesPath).Replace("PICTURE", APicture).Replace("none/", Folder.File("none/"))
            .Replace("BUSY", Folder.File("busy.zip"))
            .Replace("TOO LONG", Folder.File(new string('l', 256))).Replace("LONG", Folder.File(new string('l', 240)));
        if (value.EndsWith("busy.zip", StringComparison.Ordinal))
            Directory.CreateDirectory(value + ".checkpoint");

        (int exitCode, string output, string error) = Run([command, .. operands, option, value]);

        Assert.AreEqual(AtFault, exitCode, error);
        Assert.AreEqual("", output);
        StringAssert.Contains(error, says);
        Assert.HasCount(1, error.TrimEnd().Split('\n'), error);
        Assert.IsFalse(File.Exists(ImagesPath + ".checkpoint"));
    }

    /// <summary>The usual layout of an archive, whose folders train and test hold the classes.</summary>
    [TestMethod]
    [DataRow("train")]
    [DataRow("compare")]
    public void AFolderWithOneFolderIsNoSetOfClassesAndTheOneInItIsNamed(string command)
    {
        string archive = Folder.File($"archive {command}"), training = Path.Combine(archive, "train");
        foreach (string name in new[] { "cat", "dog" })
        {
            Directory.CreateDirectory(Path.Combine(training, name));
            for (int i = 0; i < 10; i++)
                File.Copy(APicture, Path.Combine(training, name, $"{i}.png"));
        }

        AssertRefused(archive, $"lie in its folder 'train', which makes one class. If the classes are the folders in that one, name it: " +
            $"{training}");
        AssertRefused(training, null);
        Directory.Delete(Path.Combine(training, "dog"), recursive: true);
        AssertRefused(training, "lie in its folder 'cat', which makes one class. Put the pictures of each class into a folder of its own " +
            "beside it.");

        void AssertRefused(string folder, string? says)
        {
            (int exitCode, string output, string error) = Run([command, folder, .. Small, "--test", says is null ? "0.001" : "0.3"]);
            Assert.AreEqual(AtFault, exitCode, error);
            Assert.AreEqual("", output);
            StringAssert.Contains(error, says ?? "none to test on");
            Assert.HasCount(1, error.TrimEnd().Split('\n'), error);
        }
    }

    /// <summary>MODEL is a model, LINK leads to it, and SPELT is another spelling of its path.</summary>
    [TestMethod]
    [DataRow("train IMAGES --weights MODEL --fine-tuning full --out MODEL")]
    [DataRow("train IMAGES --weights MODEL --out SPELT")]
    [DataRow("train IMAGES --weights LINK --out MODEL")]
    [DataRow("train IMAGES --weights MODEL --out LINK")]
    [DataRow("train IMAGES --out PICTURE")]
    [DataRow("evaluate MODEL IMAGES --scores MODEL")]
    [DataRow("evaluate MODEL IMAGES --scores PICTURE")]
    [DataRow("report LINK IMAGES --out SPELT")]
    [DataRow("report MODEL IMAGES --out PICTURE")]
    [DataRow("compare IMAGES --weights MODEL --report LINK")]
    [DataRow("compare IMAGES --report PICTURE")]
    public void AnOutputThatIsAnInputIsRefusedAtOnce(string command)
    {
        string link = Folder.File("link to the model.zip");
        string spelt = Path.Combine(ImagesPath, "..", "down", "..", Path.GetFileName(ModelPath));
        Links.Make(link, ModelPath);
        byte[] model = File.ReadAllBytes(ModelPath), picture = File.ReadAllBytes(APicture);
        (int exitCode, string output, string error) = Run([.. command.Split(' ').Select(word => word switch
        {
            "MODEL" => ModelPath,
            "LINK" => link,
            "SPELT" => spelt,
            "IMAGES" => ImagesPath,
            "PICTURE" => APicture,
            _ => word,
        })]);
        File.Delete(link);

        Assert.AreEqual(AtFault, exitCode, error);
        Assert.AreEqual("", output);
        StringAssert.Contains(error, "which is read: it would be overwritten. Give --");
        Assert.HasCount(1, error.TrimEnd().Split('\n'), error);
        CollectionAssert.AreEqual(model, File.ReadAllBytes(ModelPath));
        CollectionAssert.AreEqual(picture, File.ReadAllBytes(APicture));
    }

    [TestMethod]
    [DataRow("train IMAGES --out PIPE")]
    [DataRow("report MODEL IMAGES --out PIPE")]
    [DataRow("compare IMAGES --report PIPE")]
    public void AModelAndAPageAreNotWrittenOverAPipe(string command)
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Windows has no named pipes among its files.");
        string pipe = Folder.File("a pipe");
        Process.Start("mkfifo", [pipe]).WaitForExit();
        (int exitCode, string output, string error) = Run([.. command.Split(' ')
            .Select(word => word switch { "MODEL" => ModelPath, "IMAGES" => ImagesPath, "PIPE" => pipe, _ => word })]);
        File.Delete(pipe);

        Assert.AreEqual(AtFault, exitCode, error);
        Assert.AreEqual("", output);
        StringAssert.Contains(error, "It is a device, a pipe or a socket");
        Assert.HasCount(1, error.TrimEnd().Split('\n'), error);
    }

    /// <summary>The folder is missing, so that those that are taken end in another error.</summary>
    [TestMethod]
    [DataRow("train nowhere --method sam --gamma 1", "--gamma would be ignored: it is γ of csam, and what trains is sam")]
    [DataRow("train nowhere --method SGD --rho 0.1", "--rho would be ignored: it is the radius of")]
    [DataRow("compare nowhere --methods sgd asam --gamma 1", "--gamma would be ignored: it is γ of csam, and what trains is sgd, asam")]
    [DataRow("compare nowhere --methods sgd --rho 0.1", "--rho would be ignored")]
    [DataRow("compare nowhere --methods sgd csam --rho 0.1 --gamma 1", "does not exist")]
    [DataRow("train nowhere --rho 0.1 --gamma 1", "does not exist")]
    public void ANumberThatNoMethodHasIsNotIgnored(string command, string says)
    {
        (int exitCode, string output, string error) = Run(command.Split(' '));
        Assert.AreEqual(AtFault, exitCode, error);
        Assert.AreEqual("", output);
        StringAssert.Contains(error, says);
        Assert.HasCount(1, error.TrimEnd().Split('\n'), error);
    }

    [TestMethod]
    public void AnUnknownOptionIsWrongUsage() => Assert.AreEqual(WrongUsage, Run("train", ImagesPath, "--speed", "9").ExitCode);

    private static string Tool => ChildProcess.File("MLSharpness.Cli");

    [TestMethod]
    public void ATemporaryFolderThatCannotBeWrittenIsNamedBeforeTheTrainingAndIsNoFaultOfTheModel()
    {
        string noFolder = APicture, model = Folder.File("without a temporary folder.zip");
        foreach (string[] arguments in (string[][])[["train", ImagesPath, "--out", model, .. Small], ["predict", ModelPath, APicture]])
        {
            (int exitCode, string output, string error) =
                ChildProcess.Run(Tool, arguments, ("OMP_NUM_THREADS", "1"), ("NO_COLOR", "1"), ("TMPDIR", noFolder), ("TMP", noFolder));
            Assert.AreEqual(AtFault, exitCode, output + error);
            StringAssert.StartsWith(error, "error: The temporary folder ");
            StringAssert.Contains(error, OperatingSystem.IsWindows() ? "the variable TMP" : "the variable TMPDIR");
        }
    }

    private static (int ExitCode, string Output, string Error) Run(params string[] arguments) =>
        ChildProcess.Run(Tool, arguments, ("OMP_NUM_THREADS", "1"), ("NO_COLOR", "1"));

    private static string CopyOfImages(string name)
    {
        foreach (string picture in Directory.EnumerateFiles(ImagesPath, "*", SearchOption.AllDirectories))
        {
            string copy = Path.Combine(Folder.File(name), Path.GetRelativePath(ImagesPath, picture));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(picture, copy);
        }

        return Folder.File(name);
    }

    /// <summary>Leaves the beginning of a picture.</summary>
    private static string Cut(string picture)
    {
        File.WriteAllBytes(picture, File.ReadAllBytes(picture)[..60]);
        return picture;
    }

    private static string[] FilesOf(string name) =>
        [.. Folder.FileNames().Where(file => file.StartsWith(name, StringComparison.Ordinal))];
}
