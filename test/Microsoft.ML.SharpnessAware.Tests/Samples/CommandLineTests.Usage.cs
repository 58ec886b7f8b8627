namespace Microsoft.ML.SharpnessAware.Tests.Samples;

// Arguments of mlsharpness that are wrong.
public sealed partial class CommandLineTests
{
    /// <summary>What goes to a file there is no result, and a name that looks like an option is shown in print.</summary>
    [TestMethod]
    [DataRow("")]
    [DataRow("train")]
    [DataRow("evaluate model.zip")]
    [DataRow("evaluate model.zip pictures \u001bc")]
    [DataRow("evaluate model.zip pictures --jsn")]
    [DataRow("predict model.zip")]
    [DataRow("predict model.zip picture.jpg --top 0 --json")]
    [DataRow("predict model.zip picture.jpg --seed 1")]
    [DataRow("report model.zip pictures --seed 1")]
    [DataRow("compare pictures --seeds 0")]
    [DataRow("compare-scores first.csv --json")]
    [DataRow("predict model.zip picture.jpg --tpo 1 --jsn")]
    [DataRow("predict --tpo picture.jpg")]
    [DataRow("compare pictures --methods sgd csam --sede 3")]
    [DataRow("train pictures --out --restrat")]
    public void WrongUsageIsExplainedOnStandardErrorAlone(string command)
    {
        (int exitCode, string output, string error) = RunIn(Folder.Path,
            command.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.AreEqual(WrongUsage, exitCode, output + error);
        Assert.AreEqual("", output);
        StringAssert.Contains(error, "--help");
        Assert.DoesNotContain("\u001b", error);
    }

    [TestMethod]
    [DataRow("--help")]
    [DataRow("predict --help")]
    public void HelpThatIsAskedForIsAResult(string command)
    {
        (int exitCode, string output, string error) = Run(command.Split(' '));
        Assert.AreEqual(Done, exitCode, error);
        StringAssert.Contains(output, "Usage:");
        Assert.AreEqual("", error);
    }

    [TestMethod]
    [DataRow("predict MODEL PICTURE --tpo 1", "'--tpo' is not an option of predict, and there is no such file.")]
    [DataRow("predict --jsn MODEL PICTURE", "'--jsn' is not an option of predict")]
    [DataRow("predict MODEL -j -- PICTURE", "'-j' is not an option of predict")]
    [DataRow("compare IMAGES --methods sgd csam --sede 3", "'--sede' is not an option of compare")]
    [DataRow("train IMAGES --out --restrat", "'--restrat' is not an option of train")]
    public void AMistypedOptionIsNotTakenForAName(string command, string says)
    {
        (int exitCode, string output, string error) = RunIn(Folder.Path, [.. command.Split(' ').Select(word => word switch
        {
            "MODEL" => ModelPath,
            "IMAGES" => ImagesPath,
            "PICTURE" => APicture,
            _ => word,
        })]);
        Assert.AreEqual(WrongUsage, exitCode, error);
        Assert.AreEqual("", output);
        StringAssert.Contains(error, says);
        Assert.HasCount(1, error.TrimEnd().Split('\n'), error);
    }

    [TestMethod]
    [DataRow("-x.png")]
    [DataRow("-- -x.png")]
    [DataRow("-- -*.png")]
    [DataRow("./-x.png --top 1")]
    public void APictureWhoseNameBeginsWithAHyphenIsAPicture(string operands)
    {
        string picture = Path.Combine(Folder.Path, "-x.png");
        File.Copy(APicture, picture);
        (int exitCode, string output, string error) = RunIn(Folder.Path, ["predict", ModelPath, .. operands.Split(' ')]);
        File.Delete(picture);

        Assert.AreEqual(Done, exitCode, error);
        StringAssert.Contains(output, "-x.png");
    }

    /// <summary>Of a container that may use a part of a machine's processors, libtorch counts the machine's.</summary>
    [TestMethod]
    [DataRow("train")]
    [DataRow("compare")]
    public void TheToolTakesNoMoreThreadsThanTheProcessHasProcessors(string command)
    {
        string model = Folder.File("of one processor.zip");
        string[] arguments = [command, ImagesPath, .. Small,
            .. command == "train" ? ["--out", model] : (string[])["--methods", "sgd", "--seeds", "1"]];
        (int exitCode, _, string error) = ChildProcess.Run(Tool, arguments, ("DOTNET_PROCESSOR_COUNT", "1"));
        File.Delete(model);
        Assert.AreEqual(Done, exitCode, error);
        Assert.DoesNotContain("threads", error);

        (exitCode, _, error) = ChildProcess.Run(Tool, arguments, ("DOTNET_PROCESSOR_COUNT", "1"), ("OMP_NUM_THREADS", "2"));
        File.Delete(model);
        Assert.AreEqual(Done, exitCode, error);
        StringAssert.Contains(error, "warning: 2 threads are more than the 1 processor(s) that this process may use");
    }

    [TestMethod]
    public void WarningsNameWhatTheToolHas()
    {
        StringAssert.Contains(_training.Error, "would help (--weights).");
        StringAssert.Contains(_training.Error, "warning: Temperature");
        Assert.DoesNotContain("ValidationSet", _training.Error);
    }
}
