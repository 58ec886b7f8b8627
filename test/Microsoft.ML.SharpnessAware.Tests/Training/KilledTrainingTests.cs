using System.Diagnostics;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

[TestClass]
public sealed class KilledTrainingTests
{
    private const int Kills = 50;

    private static readonly (string, string)[] OneThread = [("OMP_NUM_THREADS", "1"), ("MKL_NUM_THREADS", "1")];

    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    public void ATrainingKilledFiftyTimesEndsWithTheWeightsOfOneThatWasNot()
    {
        using var folder = new TemporaryFolder();
        string undisturbed = Path.Combine(folder.Path, "undisturbed.safetensors"), killed = Path.Combine(folder.Path, "killed.safetensors");
        (int exitCode, _, string error) = FreshProcess.Run(
            FreshProcess.Folder, ["train", Path.Combine(folder.Path, "one"), undisturbed], OneThread);
        Assert.AreEqual(0, exitCode, error);

        var random = new Random(1);
        string[] arguments = ["train", Path.Combine(folder.Path, "other"), killed];
        int kills = 0, newEpochs = 0;
        while (!File.Exists(killed))
        {
            using Process process = FreshProcess.Start(FreshProcess.Folder, arguments, OneThread);
            string? ready = process.StandardOutput.ReadLine();
            if (kills < Kills)
            {
                Thread.Sleep(random.Next(120));
                process.Kill();     // SIGKILL on Unix: no handler runs, nothing is flushed
                kills++;
            }

            newEpochs += process.StandardOutput.ReadToEnd().Count(letter => letter == '\n');
            string problem = process.StandardError.ReadToEnd();
            process.WaitForExit();
            Assert.AreEqual("ready", ready, problem);
            Assert.AreEqual("", problem);
        }

        TestContext.WriteLine($"{kills} kills; {newEpochs} epochs ended in the killed training's processes.");
        Assert.AreEqual(Kills, kills, "the training was over before it could be killed often enough");
        CollectionAssert.AreEqual(File.ReadAllBytes(undisturbed), File.ReadAllBytes(killed));
    }
}
