using System.Diagnostics;
using System.Text.Json;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Samples;

// mlsharpness train.
public sealed partial class CommandLineTests
{
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

        using var model = (IDisposable)new MLContext(seed: 1).Model.Load(ModelPath, out DataViewSchema _);
        SharpnessAwareImageClassificationTransformer classifier =
            ((IEnumerable<ITransformer>)model).OfType<SharpnessAwareImageClassificationTransformer>().Single();
        Assert.AreEqual(new ImageShape(3, 12, 12), classifier.Classifier.Shape);
        Assert.AreEqual(classifier.Temperature, json.RootElement.GetProperty("temperature").GetDouble(), 1e-9);
        Assert.AreEqual($"{classifier.Method}", json.RootElement.GetProperty("method").GetString());
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
            "gentle", "--epochs", "1", "--device", "cpu", "--weights", Path.Combine(packages, "microsoft.ml.dnnimagefeaturizer.resnet18"),
            "--method", "sam");
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
        StringAssert.Contains(gentle, "by SAM (ρ = 0.01)");
        Assert.DoesNotContain("suits a training from scratch", gentle);
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
    [DataRow("train")]
    [DataRow("compare")]
    public void ADamagedPictureOfTheTestIsFoundBeforeTheTraining(string command)
    {
        string images = CopyOfImages("of which one is damaged"), picture = Cut(OneOfTheTest(images));
        (int exitCode, string output, string error) = Run([command, images, .. Small,
            .. command == "train" ? ["--out", Folder.File("early.zip")] : (string[])[]]);
        Directory.Delete(images, recursive: true);

        Assert.AreEqual(AtFault, exitCode, error);
        Assert.AreEqual("", output);
        StringAssert.Contains(error, $"'{picture}': ");
        StringAssert.Contains(error, "truncated");
        Assert.DoesNotContain("epoch", error);
        Assert.IsEmpty(FilesOf("early"));
    }

    [TestMethod]
    public void DamagedPicturesOfTheTrainingAreNamedWithoutAnOptionThatTheToolHasNot()
    {
        string images = CopyOfImages("of which two are damaged");
        var mlContext = new MLContext(seed: 1);
        string[] pictures = [.. mlContext.Data.TrainTestSplit(mlContext.Data.LoadImagesFromFolder(images), 0.2).TrainSet
            .GetColumn<string>("ImagePath").Take(2).ToArray().Select(Cut)];
        (int exitCode, _, string error) = Run(["train", images, "--out", Folder.File("of the good.zip"), .. Small]);
        Directory.Delete(images, recursive: true);

        Assert.AreEqual(AtFault, exitCode, error);
        foreach (string picture in pictures)
            StringAssert.Contains(error, picture);
        StringAssert.EndsWith(error.TrimEnd(), "Correct or remove them.");
    }

    [TestMethod]
    public void AGpuThatTheToolCannotUseIsToBeLeftOut()
    {
        if (TorchSharp.torch.cuda.is_available())
            Assert.Inconclusive("This machine has a GPU.");
        (int exitCode, _, string error) =
            Run(["train", ImagesPath, "--out", Folder.File("on a GPU.zip"), .. Small[..^2], "--device", "cuda"]);
        Assert.AreEqual(AtFault, exitCode, error);
        StringAssert.EndsWith(error.TrimEnd(), "no CUDA device is usable. Leave --device out: the tool's package is for the CPU.");
    }

    [TestMethod]
    public void ACheckpointOfANewerToolIsKeptAndTheWaysOnAreThoseOfTheTool()
    {
        string model = Folder.File("newer.zip"), checkpoint = model + ".checkpoint";
        new CheckpointFile(checkpoint).Write(writer => writer.Write(1));
        byte[] content = File.ReadAllBytes(checkpoint);
        BitConverter.GetBytes(99).CopyTo(content, sizeof(ulong));
        File.WriteAllBytes(checkpoint, content);
        (int exitCode, _, string error) = Run(["train", ImagesPath, "--out", model, .. Small]);
        byte[] kept = File.ReadAllBytes(checkpoint);
        File.Delete(checkpoint);

        Assert.AreEqual(AtFault, exitCode, error);
        CollectionAssert.AreEqual(content, kept);
        StringAssert.EndsWith(error.TrimEnd(),
            "Update the tool to continue from it, or give --out another name to train from the beginning.");
    }

    [TestMethod]
    [DataRow("train")]
    [DataRow("compare")]
    public void ThatManyPicturesOfTheTestAreReadFirstIsSaidFirst(string command)
    {
        string images = CopyOfImages("many"), model = Folder.File("of many.zip");
        foreach (string picture in Directory.GetFiles(images, "*", SearchOption.AllDirectories))
        {
            for (int copy = 0; copy < 2; copy++)
                File.Copy(picture, picture.Replace(".png", $" {copy}.png", StringComparison.Ordinal));
        }

        (int exitCode, _, string error) = Run([command, images, "--test", "0.8", .. Small,
            .. command == "train" ? ["--out", model] : (string[])["--methods", "sgd", "--seeds", "1"]]);
        Directory.Delete(images, recursive: true);
        File.Delete(model);

        Assert.AreEqual(Done, exitCode, error);
        int said = error.IndexOf(" test pictures, so that a damaged one is found", StringComparison.Ordinal);
        Assert.IsInRange(0, error.IndexOf("epoch", StringComparison.Ordinal), said, error);
    }

    /// <summary>The picture is damaged while the training runs.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void AnErrorWhileTheModelIsMeasuredSaysWhereTheModelIs(bool withRestart)
    {
        string images = CopyOfImages("damaged later"), model = Folder.File("late.zip"), picture = OneOfTheTest(images);
        string[] restart = withRestart ? ["--restart"] : [];
        using Process process = ChildProcess.Start(Tool,
            ["train", images, "--out", model, "--json", .. Small[..4], "--epochs", "60", "--batch", "8", .. restart]);
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        while (process.StandardError.ReadLine() is string line && !line.Contains("2/60", StringComparison.Ordinal))
        {
        }

        Task<string> error = process.StandardError.ReadToEndAsync();
        Cut(picture);
        process.WaitForExit();
        Directory.Delete(images, recursive: true);

        Assert.AreEqual(AtFault, process.ExitCode, error.Result);
        Assert.AreEqual("", output.Result);
        StringAssert.Contains(error.Result, $"Saved {model}.");
        StringAssert.Contains(error.Result, $"'{picture}': the image is truncated");
        StringAssert.Contains(error.Result, $"The model was not measured. The model is in {model}; the same command " +
            $"{(withRestart ? "without --restart " : "")}measures it.");
        Assert.AreEqual(Done, Run("predict", model, APicture).ExitCode);
        foreach (string file in Directory.EnumerateFiles(Folder.Path, "late*"))
            File.Delete(file);
    }

    /// <summary>Build servers give no terminal, though their logs take colours.</summary>
    [TestMethod]
    [DataRow("GITHUB_ACTIONS")]
    [DataRow("TF_BUILD")]
    public void ALogHasALineForEachEpochAndNoBlanks(string variable)
    {
        string model = Folder.File("logged.zip");
        (int exitCode, string output, string error) = ChildProcess.Run(Tool, ["train", ImagesPath, "--out", model, .. Small],
            ("OMP_NUM_THREADS", "1"), (variable, "true"));
        File.Delete(model);

        Assert.AreEqual(Done, exitCode, error);
        Assert.HasCount(3, error.Split('\n').Where(line => line.StartsWith("epoch ", StringComparison.Ordinal)).ToArray(), error);
        Assert.IsFalse((output + error).Any(c => c is '\u001b'), output + error);
        Assert.DoesNotContain("          ", error);
    }

    /// <summary>A link names the newest of several models, say.</summary>
    [TestMethod]
    public void ALinkStaysAndTheModelIsWhereItLeads()
    {
        string model = Folder.File("v3.zip"), link = Folder.File("current.zip");
        Links.Make(link, "v3.zip");
        (int exitCode, _, string error) = Run(["train", ImagesPath, "--out", link, .. Small]);
        bool isLink = new FileInfo(link).LinkTarget == "v3.zip", isThere = File.Exists(model);
        foreach (string file in new[] { link, model })
            File.Delete(file);

        Assert.AreEqual(Done, exitCode, error);
        Assert.IsTrue(isLink && isThere);
    }

    /// <summary>A checkpoint on a faster disk; those that lie there are no checkpoints, so that continuing would be an error.</summary>
    [TestMethod]
    public void CheckpointsAreDeletedWhereALinkLeadsAndTheLinkStays()
    {
        string model = Folder.File("linked.zip"), link = model + ".checkpoint", fast = Folder.File("fast.checkpoint");
        Links.Make(link, "fast.checkpoint");
        foreach (string file in new[] { fast, fast + ".previous" })
            File.WriteAllText(file, "of another training");
        (int exitCode, _, string error) = Run(["train", ImagesPath, "--out", model, "--restart", .. Small]);
        string[] left = [.. FilesOf("linked").Order(StringComparer.Ordinal), .. FilesOf("fast")];
        foreach (string file in left)
            File.Delete(Folder.File(file));

        Assert.AreEqual(Done, exitCode, error);
        CollectionAssert.AreEqual(new[] { "linked.zip", "linked.zip.checkpoint" }, left);
    }

    [TestMethod]
    public void OptionsOfAStartFromWeightsAreNotIgnoredInSilence()
    {
        string model = Folder.File("unused.zip");
        (int exitCode, _, string error) = Run(["train", ImagesPath, "--out", model, "--weights", "none", "--time-budget", "0",
            "--fine-tuning", "gentle", .. Small]);
        File.Delete(model);

        Assert.AreEqual(Done, exitCode, error);
        StringAssert.Contains(error, "--fine-tuning and --time-budget are not used: the training starts from random weights.");
    }

    [TestMethod]
    public void OptionsThatHaveNoEffectAreNamed()
    {
        string packages = Folder.File("packages of the unused"), model = Folder.File("unused head.zip");
        LayPackage(packages, "0.23.1");
        (int exitCode, _, string error) = RunWith(packages, "train", ImagesPath, "--out", model, "--size", "32", "--device", "cpu",
            "--fine-tuning", "headonly", "--time-budget", "1", "--sharding", "byrow");
        Directory.Delete(packages, recursive: true);
        File.Delete(model);

        Assert.AreEqual(Done, exitCode, error);
        StringAssert.Contains(error, "warning: --time-budget is not used: it is for --fine-tuning Auto.");
        StringAssert.Contains(error, "warning: --sharding is not used: it is for several processes that mpirun or srun has started.");
    }

    [TestMethod]
    public void ProcessesOfMpirunSayThatTheyTakeNoTimeBudget()
    {
        string model = Folder.File("unused by two.zip");
        (int exitCode, _, string error) = MpiRun.Run(MpiRun.Any(), 2, Tool, ["train", ImagesPath, "--out", model, "--size", "32",
            "--device", "cpu", "--epochs", "1", "--time-budget", "1", "--weights", OnnxFile.ResNet18]);
        File.Delete(model);

        Assert.AreEqual(Done, exitCode, error);
        Assert.HasCount(2, error.Split("warning: --time-budget is not used: it is for --fine-tuning Auto"), error);
        StringAssert.Contains(error, "several processes train the whole network");
    }

    /// <summary>The folder is missing, so that those that are taken end in another error.</summary>
    [TestMethod]
    [DataRow("train nowhere --weights auto --arch resnet18", "--weights auto has none for --arch resnet18")]
    [DataRow("compare nowhere --weights auto --arch resnet20", "--weights auto has none for --arch resnet20")]
    [DataRow("train nowhere --arch resnet18", "does not exist")]
    [DataRow("train nowhere --weights auto --arch auto", "does not exist")]
    public void WeightsThatAreOfAnotherNetworkAreNotIgnoredInSilence(string command, string says)
    {
        (int exitCode, string output, string error) = Run(command.Split(' '));
        Assert.AreEqual(AtFault, exitCode, error);
        Assert.AreEqual("", output);
        StringAssert.Contains(error, says);
        Assert.HasCount(1, error.TrimEnd().Split('\n'), error);
    }

    /// <summary>A picture that the tool keeps for the test.</summary>
    private static string OneOfTheTest(string images)
    {
        var mlContext = new MLContext(seed: 1);
        return mlContext.Data.TrainTestSplit(mlContext.Data.LoadImagesFromFolder(images), 0.2).TestSet
            .GetColumn<string>("ImagePath").First();
    }

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
            WaitForEnd(process);
            Assert.AreEqual(signal == "INT" ? Interrupted : Stopped, process.ExitCode, rest.Result + output.Result);
            StringAssert.Contains(rest.Result, "The best model so far, of epoch ");
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
}
