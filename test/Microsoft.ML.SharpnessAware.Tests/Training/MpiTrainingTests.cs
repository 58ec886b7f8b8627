using System.Diagnostics;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

/// <summary>Trainings by processes that a real launcher starts.</summary>
[TestClass]
public sealed class MpiTrainingTests
{
    private const int Kills = 2;

    private static readonly string Program = FreshProcess.Program;

    [TestMethod]
    [DataRow(DataSharding.None)]
    [DataRow(DataSharding.ByRow)]
    public void ATrainingOfTwoWhoseProcessesAreKilledEndsWithTheWeightsOfOneThatWasNot(DataSharding sharding)
    {
        string launcher = MpiRun.Any();
        using var folder = new TemporaryFolder();
        (int exitCode, _, string error) = MpiRun.Run(
            launcher, 2, Program, "group", "train", folder.File("one"), folder.File("undisturbed"), $"{sharding}");
        Assert.AreEqual(0, exitCode, error);

        var random = new Random(1);
        string[] arguments = ["group", "train", folder.File("other"), folder.File("killed"), $"{sharding}"];
        for (int kill = 0; kill < Kills; kill++)
        {
            using Process mpirun = MpiRun.Start(launcher, 2, Program, arguments);
            Task<string> said = mpirun.StandardError.ReadToEndAsync();
            int[] ids = new int[2];
            for (int i = 0; i < ids.Length; i++)
            {
                string[] words = mpirun.StandardOutput.ReadLine()!.Split(['[', ']', ' '], StringSplitOptions.RemoveEmptyEntries);
                ids[int.Parse(words[0])] = int.Parse(words[1]);
            }
            Task<string> output = mpirun.StandardOutput.ReadToEndAsync();
            Thread.Sleep(random.Next(100, 400));
            bool isKilled = Kill(ids[kill % 2]);
            Assert.IsTrue(mpirun.WaitForExit(TimeSpan.FromSeconds(30)), "the other is still there");
            if (isKilled)
                Assert.AreNotEqual(0, mpirun.ExitCode, said.Result + output.Result);
        }
        (exitCode, _, error) = MpiRun.Run(launcher, 2, Program, arguments);

        Assert.AreEqual(0, exitCode, error);
        byte[] undisturbed = File.ReadAllBytes(folder.File("undisturbed.0"));
        foreach (string other in new[] { "undisturbed.1", "killed.0", "killed.1" })
            CollectionAssert.AreEqual(undisturbed, File.ReadAllBytes(folder.File(other)), other);
    }

    /// <summary>Three steps of two passes each.</summary>
    [TestMethod]
    public void DropoutMasksAreThoseOfTheStepInBothPassesAndOtherOnesInEachStepAndProcess()
    {
        using var folder = new TemporaryFolder();
        (int exitCode, _, string error) = MpiRun.Run(MpiRun.Any(), 2, Program, "group", "masks", folder.Path);
        Assert.AreEqual(0, exitCode, error);
        List<string> ofSteps = [];
        foreach (string rank in new[] { "0", "1" })
        {
            string[] masks = File.ReadAllLines(folder.File(rank));
            Assert.HasCount(6, masks);
            for (int step = 0; step < 3; step++)
            {
                Assert.AreEqual(masks[2 * step], masks[(2 * step) + 1], "the passes of a step");
                ofSteps.Add(masks[2 * step]);
            }
        }
        Assert.HasCount(6, ofSteps.Distinct().ToArray(), string.Join('\n', ofSteps));
    }

    /// <summary>Whether it was still there.</summary>
    private static bool Kill(int id)
    {
        try
        {
            Process.GetProcessById(id).Kill();
            return true;
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            return false;       // a quick machine, or a late wake-up: the training is over
        }
    }
}
