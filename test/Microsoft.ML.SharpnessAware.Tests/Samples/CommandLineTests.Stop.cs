using System.Diagnostics;
using SkiaSharp;

namespace Microsoft.ML.SharpnessAware.Tests.Samples;

// Ctrl+C, in each command; SIGTERM is the same to the tool, and is listened to wherever these tests are started.
public sealed partial class CommandLineTests
{
    private const int LargePictures = 90;

    [TestMethod]
    public void ATrainingThatIsStoppedBeforeItsFirstEpochEndedSaysThatThereIsNoModel()
    {
        string model = Folder.File("unborn.zip");
        (int exitCode, string output, string error) = StopAt("dotnet add package", Folder.File("no packages"),
            "train", ImagesPath, "--out", model);
        foreach (string file in Directory.EnumerateFiles(Folder.Path, "unborn.zip.checkpoint*"))
            File.Delete(file);

        Assert.AreEqual(Stopped, exitCode, error + output);
        Assert.AreEqual("", output);
        StringAssert.Contains(error, "Stopped before the first epoch ended: there is no model yet");
        Assert.IsFalse(File.Exists(model));
    }

    /// <summary>A class came to the pictures, and with it the checkpoint is of another training: its network has one class less.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void ATrainingThatIsStoppedBeforeItLooksAtTheCheckpointLeavesTheModel(bool isDamaged)
    {
        string images = CopyOfImages("of a class more"), model = Folder.File("kept.zip"), checkpoint = model + ".checkpoint";
        string[] command = ["train", images, "--out", model, .. Small[..4], "--epochs", "20000", "--batch", "8", "--device", "cpu"];
        (int exitCode, _, string error) = StopAt("2/20000", "", command);
        Assert.AreEqual(Stopped, exitCode, error);
        byte[] before = File.ReadAllBytes(model);
        if (isDamaged)
        {
            File.Delete(checkpoint + ".previous");
            File.WriteAllBytes(checkpoint, File.ReadAllBytes(checkpoint)[..^1]);
        }

        string large = LargeImages();
        Directory.Move(Path.Combine(large, "across"), Path.Combine(images, "more"));
        Directory.Delete(large, recursive: true);
        (exitCode, string output, error) = StopAt("Continuing from", "", command);
        bool isAsItWas = File.ReadAllBytes(model).AsSpan().SequenceEqual(before);
        File.Delete(model);
        (int withoutModel, _, string secondError) = StopAt("Continuing from", "", command);
        Directory.Delete(images, recursive: true);
        string[] left = FilesOf("kept");
        foreach (string file in left)
            File.Delete(Folder.File(file));

        Assert.AreEqual(Stopped, exitCode, error + output);
        Assert.IsTrue(isAsItWas, error);
        StringAssert.Contains(error, $"Stopped before the training began; {model} is unchanged.");
        Assert.AreEqual(Stopped, withoutModel, secondError);
        StringAssert.Contains(secondError, "Stopped before the training began; there is no model yet.");
        CollectionAssert.DoesNotContain(left, "kept.zip");
    }

    [TestMethod]
    public void RestartLeavesTheCheckpointOfATrainingThatRuns()
    {
        string model = Folder.File("running.zip");
        string[] command = ["train", ImagesPath, "--out", model, .. Small[..4], "--epochs", "20000", "--batch", "8", "--device", "cpu"];
        (int ExitCode, string Output, string Error) second = default;
        bool isThere = false;
        StopAt("2/20000", "", process =>
        {
            Process.Start("kill", ["-STOP", $"{process.Id}"]).WaitForExit();     // it would write the next at once
            second = Run([.. command, "--restart"]);
            isThere = File.Exists(model + ".checkpoint");
            Process.Start("kill", ["-CONT", $"{process.Id}"]).WaitForExit();
            Stop(process);
        }, command);
        foreach (string file in FilesOf("running"))
            File.Delete(Folder.File(file));

        Assert.AreEqual(AtFault, second.ExitCode, second.Output);
        StringAssert.Contains(second.Error, "error: Another training keeps its checkpoint in ");
        StringAssert.Contains(second.Error, "give --out another name");
        Assert.IsTrue(isThere);
    }

    /// <summary>The same command would delete what the training has written.</summary>
    [TestMethod]
    public void ATrainingWithRestartThatIsStoppedIsContinuedWithoutRestart()
    {
        string model = Folder.File("restarted.zip");
        (int exitCode, string output, string error) = StopAt("2/20000", "", ["train", ImagesPath, "--out", model, "--restart",
            .. Small[..4], "--epochs", "20000", "--batch", "8", "--device", "cpu"]);
        foreach (string file in FilesOf("restarted"))
            File.Delete(Folder.File(file));

        Assert.AreEqual(Stopped, exitCode, error + output);
        StringAssert.Contains(error, $"is in {model}; the same command without --restart continues.");
    }

    [TestMethod]
    public void ATrainingFromWeightsThatIsStoppedSaysThatThereIsNoModelAndWhatGivesTheHead()
    {
        string packages = Folder.File("packages of the stopped"), model = Folder.File("headless.zip");
        LayPackage(packages, "0.23.1");
        (int exitCode, string output, string error) = StopAt("Gentle: 1000 epochs", packages,
            "train", ImagesPath, "--out", model, "--size", "32", "--fine-tuning", "gentle", "--epochs", "1000", "--device", "cpu");
        Directory.Delete(packages, recursive: true);

        Assert.AreEqual(Stopped, exitCode, error + output);
        Assert.AreEqual("", output);
        StringAssert.Contains(error, "Stopped: there is no model yet");
        StringAssert.Contains(error, "--fine-tuning HeadOnly");
        Assert.IsEmpty(FilesOf("headless"));
    }

    [TestMethod]
    public void ATrainingThatIsStoppedWhileItIsMeasuredHasSavedItsModel()
    {
        string large = LargeImages(), model = Folder.File("unmeasured.zip");
        (int exitCode, string output, string error) = StopAt("epoch 1/1", "", "train", large, "--out", model, "--test", "0.8",
            "--arch", "convnet", "--size", "12", "--epochs", "1", "--device", "cpu");
        Directory.Delete(large, recursive: true);

        Assert.AreEqual(Stopped, exitCode, error + output);
        Assert.AreEqual("", output);
        StringAssert.Contains(error, $"is in {model}");
        Assert.AreEqual(Done, Run("predict", model, APicture).ExitCode);
        foreach (string file in Directory.EnumerateFiles(Folder.Path, "unmeasured.zip*"))
            File.Delete(file);
    }

    [TestMethod]
    [DataRow("evaluate", "")]
    [DataRow("evaluate", "--scores")]
    [DataRow("report", "--out")]
    public void AMeasurementThatIsStoppedLeavesNoFile(string command, string option)
    {
        string large = LargeImages(), file = Folder.File("unfinished.file");
        File.WriteAllText(Path.Combine(large, "notes.txt"), "of which the tool warns when it has begun");
        (int exitCode, string output, string error) = StopAt("are left out", "",
            option.Length == 0 ? [command, ModelPath, large] : [command, ModelPath, large, option, file]);
        Directory.Delete(large, recursive: true);

        Assert.AreEqual(Stopped, exitCode, error + output);
        Assert.AreEqual("", output);
        Assert.IsEmpty(FilesOf("unfinished"));
    }

    [TestMethod]
    public void AComparisonThatIsStoppedWhileItMeasuresHasNothingToShow()
    {
        string large = LargeImages();
        (int exitCode, string output, string error) = StopAt("epoch 1/1", "", "compare", large, "--methods", "sgd", "--seeds", "1",
            "--test", "0.8", "--arch", "convnet", "--size", "12", "--epochs", "1", "--device", "cpu");
        Directory.Delete(large, recursive: true);

        Assert.AreEqual(Stopped, exitCode, error + output);
        Assert.AreEqual("", output);
    }

    /// <summary>The first picture is a pipe, which gives it only after the stop.</summary>
    [TestMethod]
    [Timeout(120_000)]      // the pipe waits for a reader, whatever becomes of it
    public void APredictionThatIsStoppedShowsWhatItHasAndCallsNoPictureBad()
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Windows has no named pipes among its files.");
        string pipe = Folder.File("pipe.png");
        Process.Start("mkfifo", [pipe]).WaitForExit();
        const int many = 3000;
        using Process process = ChildProcess.Start(Tool, ["predict", ModelPath, pipe, .. Enumerable.Repeat(APicture, many), "--json"],
            ("OMP_NUM_THREADS", "1"), ("NO_COLOR", "1"));
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        // Waits for the reader.
        using (var picture = new FileStream(pipe, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            Stop(process);
            picture.Write(File.ReadAllBytes(APicture));
        }

        WaitForEnd(process);
        File.Delete(pipe);

        Assert.AreEqual(Stopped, process.ExitCode, error.Result);
        StringAssert.Contains(error.Result, $"of {many + 1} pictures");
        Assert.DoesNotContain(APicture, error.Result);
        Assert.IsLessThan(many, output.Result.Split("\"file\"").Length - 1);
    }

    /// <summary>A program such as timeout sends a signal to a process and to its group.</summary>
    [TestMethod]
    public void TwoSignalsAtOnceAreOneStopInOrder()
    {
        string model = Folder.File("twice.zip");
        (int exitCode, string output, string error) = StopAt("2/20000", "", process =>
        {
            Stop(process);
            Stop(process);
        }, ["train", ImagesPath, "--out", model, .. Small[..4], "--epochs", "20000", "--batch", "8", "--device", "cpu"]);
        (int ofModel, _, _) = Run("predict", model, APicture);
        foreach (string file in FilesOf("twice"))
            File.Delete(Folder.File(file));

        Assert.AreEqual(Stopped, exitCode, error + output);
        StringAssert.Contains(error, "The best model so far, of epoch ");
        Assert.AreEqual(Done, ofModel);
    }

    /// <summary>The tool waits for a pipe that nobody writes to, and so cannot stop in order.</summary>
    [TestMethod]
    [Timeout(60_000)]
    public void ASecondSignalEndsAStopThatTakesTooLong()
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Windows has no named pipes among its files.");
        string pipe = Folder.File("nobody.png");
        Process.Start("mkfifo", [pipe]).WaitForExit();
        using Process process = ChildProcess.Start(Tool, ["predict", ModelPath, pipe], ("OMP_NUM_THREADS", "1"), ("NO_COLOR", "1"));
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        bool waited;
        using (new FileStream(pipe, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            Stop(process);
            waited = !process.WaitForExit(TimeSpan.FromSeconds(2));
            Stop(process);
            WaitForEnd(process);
        }

        File.Delete(pipe);
        Assert.IsTrue(waited, error.Result);
        Assert.AreEqual(Stopped, process.ExitCode, error.Result);
        CollectionAssert.AreEqual(
            new[] { "Stopping …; once more ends at once.", "Ended at once." }, error.Result.TrimEnd().Split(Environment.NewLine));
        Assert.AreEqual("", output.Result);
    }

    /// <summary>Runs the tool, tells it to stop once its standard error says <paramref name="says"/>, and waits for its end.</summary>
    private static (int ExitCode, string Output, string Error) StopAt(string says, string packages, params string[] arguments) =>
        StopAt(says, packages, Stop, arguments);

    private static (int ExitCode, string Output, string Error) StopAt(
        string says, string packages, Action<Process> stop, string[] arguments)
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("A stop is sent by kill, which Windows lacks.");
        using Process process = ChildProcess.Start(
            Tool, arguments, ("OMP_NUM_THREADS", "1"), ("NO_COLOR", "1"), ("NUGET_PACKAGES", packages));
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        List<string> before = [];
        while (process.StandardError.ReadLine() is string line)
        {
            before.Add(line);
            if (line.Contains(says, StringComparison.Ordinal))
                break;
        }

        Task<string> after = process.StandardError.ReadToEndAsync();
        stop(process);
        WaitForEnd(process);
        return (process.ExitCode, output.Result, string.Join('\n', [.. before, after.Result]));
    }

    private static void Stop(Process process) => Process.Start("kill", ["-TERM", $"{process.Id}"]).WaitForExit();

    private static void WaitForEnd(Process process)
    {
        if (process.WaitForExit(TimeSpan.FromSeconds(50)))
            return;
        process.Kill();
        Assert.Fail("still running after 50 seconds");
    }

    /// <summary>A folder of pictures that take seconds to decode.</summary>
    private static string LargeImages()
    {
        using var bitmap = new SKBitmap(new SKImageInfo(3000, 3000, SKColorType.Rgba8888, SKAlphaType.Opaque));
        bitmap.Erase(SKColors.SeaGreen);
        using SKData picture = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        string folder = Folder.File("large");
        for (int i = 0; i < LargePictures; i++)
        {
            string file = Path.Combine(folder, Classes[i % Classes.Length], $"{i}.png");
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllBytes(file, picture.Span);
        }

        return folder;
    }
}
