using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Microsoft.ML.SharpnessAware.Tests.Distributed;

/// <summary>Processes that a real launcher starts, on each MPI that is installed.</summary>
[TestClass]
public sealed class MpiTests
{
    private static readonly string Program = FreshProcess.Program;

    public static IEnumerable<object[]> Launchers => MpiRun.Launchers;

    [TestMethod]
    [DynamicData(nameof(Launchers))]
    public void ProcessesSumAndBroadcast(string launcher)
    {
        (int exitCode, string output, string error) = MpiRun.Run(launcher, 3, Program, "group", "exchange");

        Assert.AreEqual(0, exitCode, error);
        string[] lines = [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Trim()).Order()];
        string expected = $"of 3, 3 here: 24 150150000 {BitConverter.DoubleToInt64Bits(1)} 3 12 22";
        CollectionAssert.AreEqual(
            new[] { $"[0] {expected}", $"[0] {expected}", $"[1] {expected}", $"[1] {expected}", $"[2] {expected}", $"[2] {expected}" },
            lines);
    }

    [TestMethod]
    [DynamicData(nameof(Launchers))]
    public void AProcessThatFailsEndsTheOthersWithAnErrorThatNamesIt(string launcher)
    {
        (int exitCode, string output, string error) = MpiRun.Run(launcher, 3, Program, "group", "fail");

        Assert.AreEqual(0, exitCode, error);
        StringAssert.Contains(output, "[2] no more disk");
        StringAssert.Contains(output, "[0] 2: Process 2 of 3");
        StringAssert.Contains(output, "[1] 2: Process 2 of 3");
    }

    [TestMethod]
    [DynamicData(nameof(Launchers))]
    public void AGroupThatWasDisposedIsNotGivenAgain(string launcher)
    {
        (int exitCode, string output, string error) = MpiRun.Run(launcher, 2, Program, "group", "again");

        Assert.AreEqual(0, exitCode, error);
        StringAssert.Contains(output, "[0] 2 InvalidOperationException: The group of this process has ended");
        StringAssert.Contains(output, "[1] 2 InvalidOperationException: The group of this process has ended");
    }

    [TestMethod]
    [DynamicData(nameof(Launchers))]
    public void AnotherLibraryOrTimeoutThanTheFirstIsRefused(string launcher)
    {
        (int exitCode, string output, string error) = MpiRun.Run(launcher, 2, Program, "group", "otherwise");

        Assert.AreEqual(0, exitCode, error);
        string[] ofFirst = [.. output.Split('\n').Where(line => line.StartsWith("[0]", StringComparison.Ordinal))];
        Assert.HasCount(3, ofFirst, output);
        foreach (string refused in ofFirst[..2])
            StringAssert.Contains(refused, "and a timeout of 0:01:00 (hours:minutes:seconds). Give library and timeout to the first call");
        StringAssert.Contains(ofFirst[2], "True");
    }

    [TestMethod]
    [DynamicData(nameof(Launchers))]
    public void AProcessThatDoesNotComeIsGivenUp(string launcher)
    {
        (int exitCode, string output, string error) = MpiRun.Run(launcher, 2, Program, "group", "hang", "3");

        Assert.AreNotEqual(0, exitCode, error);
        StringAssert.Contains(output, "Process 0 of 2: not all of the others have come within 0:00:01.5");
    }

    [TestMethod]
    [DynamicData(nameof(Launchers))]
    public void AProcessThatIsKilledEndsTheOthersWithinSeconds(string launcher)
    {
        using Process mpirun = MpiRun.Start(launcher, 3, Program, "group", "hang", "120");
        Task<string> error = mpirun.StandardError.ReadToEndAsync();
        int[] ids = new int[3];
        for (int i = 0; i < ids.Length; i++)
        {
            string[] words = mpirun.StandardOutput.ReadLine()!.Split(['[', ']', ' '], StringSplitOptions.RemoveEmptyEntries);
            ids[int.Parse(words[0])] = int.Parse(words[1]);
        }

        Process.GetProcessById(ids[1]).Kill();

        Assert.IsTrue(mpirun.WaitForExit(TimeSpan.FromSeconds(30)), "the others are still there");
        Assert.AreNotEqual(0, mpirun.ExitCode);
        string said = error.Result + mpirun.StandardOutput.ReadToEnd();
        if (launcher == "mpirun.mpich")
        {
            // It kills the others at once, and names whichever's end it sees first.
            StringAssert.Matches(said, new Regex($"PID ({string.Join('|', ids)}) "), said);
            StringAssert.Contains(said, "Killed");
        }
        else
        {
            StringAssert.Contains(said, "process rank 1", said);
        }
    }

    [TestMethod]
    public void TwoHostsWorkTogetherUntilTheCableIsCutAndThenBothEndWithAnError()
    {
        const string launcher = "mpirun.openmpi";   // MPICH's UCX goes on through shared memory, since it is one machine
        MpiRun.Require(launcher);
        using var hosts = new TwoHosts();
        using Process mpirun = hosts.Start(launcher, Program, "group", "loop", "10");
        var said = new ConcurrentQueue<string>();
        mpirun.ErrorDataReceived += (_, e) => said.Enqueue(e.Data ?? "");
        mpirun.BeginErrorReadLine();
        string[] together = [mpirun.StandardOutput.ReadLine() ?? "", mpirun.StandardOutput.ReadLine() ?? ""];
        Array.Sort(together, StringComparer.Ordinal);
        StringAssert.Contains(together[0], $"[0] 1 of 2 on {hosts.Name(1)}");
        StringAssert.Contains(together[1], $"[1] 1 of 2 on {hosts.Name(2)}");

        hosts.Cut();

        // That of the other host is not heard of any more, and the launcher may go on waiting for it: what is said is read line by line.
        _ = Task.Run(() =>
        {
            while (mpirun.StandardOutput.ReadLine() is string line)
                said.Enqueue(line);
        });
        Assert.IsTrue(SpinWait.SpinUntil(() => said.Any(line => line.Contains("Process 0 of 2", StringComparison.Ordinal)
            || line.Contains("connection", StringComparison.OrdinalIgnoreCase)), TimeSpan.FromSeconds(60)), string.Join('\n', said));
        Assert.IsTrue(SpinWait.SpinUntil(() => !hosts.AnyRuns("FreshProcess"), TimeSpan.FromSeconds(30)), "some still run");
    }

    [TestMethod]
    public void ALibraryThatIsNotTheLaunchersIsAnErrorAndNotAGroupOfOne()
    {
        MpiRun.Require("mpirun.openmpi");
        (int exitCode, _, string error) = MpiRun.Run("mpirun.mpich", 2, Program, "group", "library", "libmpi.so.40");

        Assert.AreEqual(2, exitCode, error);
        StringAssert.Contains(error, "one of 2 that an mpiexec of MPICH's family has started");
        StringAssert.Contains(error, "do not belong together");
    }
}
