namespace Microsoft.ML.SharpnessAware.Tests.Distributed;

/// <summary>What every group does, tried by threads.</summary>
[TestClass]
public sealed class ProcessGroupTests
{
    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(5)]
    public void SumsAreThoseOfAllAndTheSameBitsForEach(int size)
    {
        (float[], double[])[] results = ThreadProcessGroup.Run(size, group =>
        {
            float[] floats = [.. Enumerable.Range(0, 1000).Select(i => MathF.Sin(i + group.Rank))];
            double[] doubles = [Math.Cos(group.Rank), -0.0, double.PositiveInfinity];
            group.AllReduceSum(floats);
            group.AllReduceSum(doubles);
            group.AllReduceSum(Span<float>.Empty);
            return (floats, doubles);
        });

        foreach ((float[] floats, double[] doubles) in results)
        {
            CollectionAssert.AreEqual(results[0].Item1, floats);
            CollectionAssert.AreEqual(results[0].Item2, doubles);
        }
        for (int i = 0; i < 1000; i++)
            Assert.AreEqual(Enumerable.Range(0, size).Sum(rank => MathF.Sin(i + rank)), results[0].Item1[i], 1e-5f);
        Assert.AreEqual(double.PositiveInfinity, results[0].Item2[2]);
    }

    [TestMethod]
    public void EveryProcessCanBroadcast()
    {
        byte[][] results = ThreadProcessGroup.Run(3, group =>
        {
            byte[] bytes = [(byte)(10 * group.Rank), (byte)group.Rank];
            group.Broadcast(bytes, root: 2);
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => group.Broadcast(bytes, root: 3));
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => group.Broadcast(bytes, root: -1));
            group.Barrier();
            return bytes;
        });

        foreach (byte[] bytes in results)
            CollectionAssert.AreEqual(new byte[] { 20, 2 }, bytes);
    }

    [TestMethod]
    public void OneThatFailsIsNamedToTheOthersAndTheGroupGoesOn()
    {
        string[] results = ThreadProcessGroup.Run(4, group =>
        {
            if (group.Rank is 1 or 3)
            {
                group.Fail(new IOException("the disk is full"));
            }
            else
            {
                ProcessGroupException error = Assert.ThrowsExactly<ProcessGroupException>(() => group.AllReduceSum(new double[7]));
                Assert.AreEqual(1, error.Rank);
                return $"{error.Message} {group.SumOf(1, 2, 3)}";
            }
            return $"{group.SumOf(1, 2, 3)}";
        });

        StringAssert.Contains(results[0], "Process 1 of 4");
        StringAssert.Contains(results[0], "IOException: the disk is full");
        Assert.AreEqual(results[0], results[2]);
        foreach (string result in results)
            StringAssert.Contains(result, "(4, 8, 12)");
    }

    [TestMethod]
    public void OneThatLeavesEarlyIsNamedToTheOthers()
    {
        string[] results = ThreadProcessGroup.Run(3, group =>
        {
            if (group.Rank == 1)
                return "";
            string message = Assert.ThrowsExactly<ProcessGroupException>(() => group.Broadcast(new byte[3])).Message;
            Assert.ThrowsExactly<ObjectDisposedException>(group.Barrier);
            return message;
        });

        StringAssert.Contains(results[0], "Process 1 of 3");
        StringAssert.Contains(results[2], "left the group");
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void ProcessesThatWantDifferentThingsAreToldSoInsteadOfGettingEachOthersNumbers(bool otherMethod)
    {
        ProcessGroupException[] errors = ThreadProcessGroup.Run(2, group => Assert.ThrowsExactly<ProcessGroupException>(() =>
        {
            if (group.Rank == 0)
                group.AllReduceSum(new float[10]);
            else if (otherMethod)
                group.Broadcast(new byte[40], root: 1);
            else
                group.AllReduceSum(new float[11]);
        }));

        StringAssert.Contains(errors[1].Message, otherMethod ? "40 bytes of process 1" : "the sum of 11 floats");
        StringAssert.Contains(errors[1].Message, "process 0 for the sum of 10 floats");
    }

    [TestMethod]
    public void WishesThatDifferAndAddUpToThoseOfTheFirstAreToldToo()
    {
        ProcessGroupException[] errors = ThreadProcessGroup.Run(3, group => Assert.ThrowsExactly<ProcessGroupException>(
            () => group.AllReduceSum(new float[group.Rank switch { 0 => 20, 1 => 10, _ => 30 }])));

        StringAssert.Contains(errors[1].Message, "Process 1 of 3 came for the sum of 10 floats, process 0 for the sum of 20 floats");
        StringAssert.Contains(errors[2].Message, "Process 2 of 3 came for the sum of 30 floats, process 0 for the sum of 20 floats");
    }

    [TestMethod]
    public void OneThatNeverComesIsWaitedForNoLongerThanTheTimeout()
    {
        using var over = new ManualResetEventSlim();
        string[] results = ThreadProcessGroup.Run(
            2,
            group =>
            {
                if (group.Rank == 1)
                {
                    over.Wait();
                    return "";
                }
                string message = Assert.ThrowsExactly<ProcessGroupException>(group.Barrier).Message;
                over.Set();
                return message;
            },
            timeout: TimeSpan.FromMilliseconds(200));

        StringAssert.Contains(results[0], "not all of the others have come");
    }

    [TestMethod]
    public void LaunchersAreToldByTheirEnvironment()
    {
        Assert.IsNull(Of());
        Assert.AreEqual((4, MpiFamily.OpenMpi), Of(("OMPI_COMM_WORLD_SIZE", "4"), ("SLURM_STEP_NUM_TASKS", "1")));
        Assert.AreEqual((2, MpiFamily.Mpich), Of(("PMI_SIZE", "2")));
        Assert.AreEqual((8, (MpiFamily?)null), Of(("SLURM_STEP_NUM_TASKS", "8")));
        Assert.IsNull(Of(("SLURM_STEP_NUM_TASKS", "1"), ("SLURM_NTASKS", "8")), "a batch script is one process");
        Assert.IsNull(Of(("PMI_SIZE", "")), "no number");

        static (int, MpiFamily?)? Of(params (string Name, string Value)[] variables) =>
            MpiLauncher.Of(name => variables.FirstOrDefault(variable => variable.Name == name).Value) is { } launcher
                ? (launcher.Size, launcher.Family)
                : null;
    }

    [TestMethod]
    public void WithoutAnMpiTheErrorSaysWhatToInstall()
    {
        InvalidOperationException missing =
            Assert.ThrowsExactly<InvalidOperationException>(() => MpiLibrary.Load("libthere-is-no-such-mpi.so", null));
        StringAssert.Contains(missing.Message, "libthere-is-no-such-mpi.so");
        StringAssert.Contains(missing.Message, "apt install openmpi-bin");
        StringAssert.Contains(missing.Message, "Microsoft MPI on Windows");

        if (!OperatingSystem.IsLinux())
            return;
        InvalidOperationException other = Assert.ThrowsExactly<InvalidOperationException>(() => MpiLibrary.Load("libm.so.6", null));
        StringAssert.Contains(other.Message, "'libm.so.6' is not an MPI library");
    }

    [TestMethod]
    public void ATimeoutMustBeAboveZero() => Assert.ThrowsExactly<ArgumentOutOfRangeException>(
        () => ProcessGroup.Mpi(timeout: TimeSpan.Zero));
}
