namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>One process of a group that mpirun has started. All that it prints begins with its rank.</summary>
internal static class GroupProgram
{
    public static int Run(string what, string[] arguments)
    {
        switch (what)
        {
            case "exchange":
                Exchange();
                return 0;
            case "fail":
                return Fail();
            case "again":
                Again();
                return 0;
            case "otherwise":
                Otherwise();
                return 0;
            case "hang":
                return Hang(int.Parse(arguments[0]));
            case "loop":
                return Loop(int.Parse(arguments[0]));
            case "train":
                Train(arguments[0], arguments[1], Enum.Parse<DataSharding>(arguments[2]));
                return 0;
            case "shares":
                TrainInDoubles(arguments[0], arguments[1..]);
                return 0;
            case "masks":
                MaskProgram.Run(arguments[0]);
                return 0;
            case "library":
                ProcessGroup.Mpi(arguments[0]).Dispose();
                return 0;
            default:
                throw new ArgumentException($"group {what} is nothing.");
        }
    }

    /// <summary>Sums, broadcasts, and everything twice, since MPI keeps state.</summary>
    private static void Exchange()
    {
        using ProcessGroup group = ProcessGroup.Mpi();
        for (int i = 0; i < 2; i++)
        {
            float[] floats = [.. Enumerable.Range(0, 100_000).Select(j => (float)(j % 1000) + group.Rank)];
            group.AllReduceSum(floats);
            double[] doubles = [1.0 / 3, group.Rank];
            group.AllReduceSum(doubles);
            byte[] bytes = [(byte)(10 + group.Rank), (byte)(20 + group.Rank)];
            group.Broadcast(bytes, root: group.Size - 1);
            group.Barrier();
            Print(group, $"of {group.Size}, {group.LocalSize} here: {floats[7]} {floats.Sum(value => (double)value)} " +
                $"{BitConverter.DoubleToInt64Bits(doubles[0])} {doubles[1]} {bytes[0]} {bytes[1]}");
        }
    }

    /// <summary>The last process fails before it comes to a sum of the others, and leaves its group.</summary>
    private static int Fail()
    {
        using ProcessGroup group = ProcessGroup.Mpi();
        try
        {
            if (group.Rank == group.Size - 1)
                throw new InvalidOperationException("no more disk");
            group.AllReduceSum(new float[1000]);
        }
        catch (ProcessGroupException e)
        {
            Print(group, $"{e.Rank}: {e.Message}");
        }
        catch (InvalidOperationException e)
        {
            Print(group, e.Message);
        }
        return 0;
    }

    /// <summary>Asks for the group once more while it is there, and after it has ended.</summary>
    private static void Again()
    {
        ProcessGroup group = ProcessGroup.Mpi();
        double[] count = [1];
        ProcessGroup.Mpi().AllReduceSum(count);
        group.Dispose();
        string again;
        try
        {
            again = $"{ProcessGroup.Mpi()}";
        }
        catch (Exception e)
        {
            again = $"{e.GetType().Name}: {e.Message}";
        }
        Print(group, $"{count[0]} {again}");
    }

    /// <summary>Asks for the group a second time, with another library or timeout, and with the same.</summary>
    private static void Otherwise()
    {
        TimeSpan minute = TimeSpan.FromMinutes(1);
        using ProcessGroup group = ProcessGroup.Mpi(timeout: minute);
        foreach (Func<ProcessGroup> ask in new Func<ProcessGroup>[]
            { () => ProcessGroup.Mpi(timeout: 2 * minute), () => ProcessGroup.Mpi("other") })
        {
            try
            {
                Print(group, $"{ask()}");
            }
            catch (InvalidOperationException e)
            {
                Print(group, e.Message);
            }
        }
        Print(group, $"{ReferenceEquals(group, ProcessGroup.Mpi(timeout: minute)) && ReferenceEquals(group, ProcessGroup.Mpi())}");
    }

    /// <summary>The last process does not come for so many seconds; the others wait for half as long.</summary>
    private static int Hang(int seconds)
    {
        using ProcessGroup group = ProcessGroup.Mpi(timeout: TimeSpan.FromSeconds(seconds / 2.0));
        Print(group, $"{Environment.ProcessId} is ready");
        if (group.Rank == group.Size - 1)
            Thread.Sleep(TimeSpan.FromSeconds(seconds));
        try
        {
            group.Barrier();
            return 0;
        }
        catch (ProcessGroupException e)
        {
            Print(group, e.Message);
            return 3;
        }
    }

    /// <summary>Sums for ever, and waits for others no longer than so many seconds.</summary>
    private static int Loop(int seconds)
    {
        using ProcessGroup group = ProcessGroup.Mpi(timeout: TimeSpan.FromSeconds(seconds));
        float[] values = new float[100_000];
        for (int i = 0; ; i++)
        {
            try
            {
                group.AllReduceSum(values);
            }
            catch (ProcessGroupException e)
            {
                Print(group, e.Message);
                return 3;
            }
            if (i == 3)
                Print(group, $"{group.LocalSize} of {group.Size} on {Environment.MachineName}");
            Thread.Sleep(20);
        }
    }

    /// <summary>Trains with a checkpoint after every step, and writes the weights that each process has.</summary>
    private static void Train(string checkpoint, string weights, DataSharding sharding)
    {
        using ProcessGroup group = ProcessGroup.Mpi();
        var mlContext = new MLContext(seed: 1);
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        options.ProcessGroup = group;
        options.Sharding = sharding;
        options.Method = SharpnessAwareMethod.Ssam();
        options.Epoch = 6;
        options.Augmentation = Augmentation.Standard;
        options.CheckpointPath = checkpoint;
        options.CheckpointSteps = 1;
        options.MetricsCallback = epoch => Print(group, $"epoch {epoch.Epoch}");
        IDataView data = Fitted.View(mlContext, Shapes.Pixels(72));
        Print(group, $"{Environment.ProcessId} is ready");
        using SharpnessAwareImageClassificationTransformer model =
            mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options).Fit(data);
        model.SaveWeights($"{weights}.{group.Rank}");
    }

    /// <summary>Trains by each setting, each process with the images of its own rows, and writes the weights that each has.</summary>
    private static void TrainInDoubles(string folder, string[] settings)
    {
        using ProcessGroup group = ProcessGroup.Mpi();
        foreach (string setting in settings)
        {
            var mlContext = new MLContext(seed: 1);
            SharpnessAwareImageClassificationTrainer.Options options = TrainingInDoubles.Options(mlContext, setting);
            options.ProcessGroup = group;
            using SharpnessAwareImageClassificationTransformer model = mlContext.MulticlassClassification.Trainers
                .SharpnessAwareImageClassification(options).Fit(TrainingInDoubles.Data(mlContext));
            model.SaveWeights(Path.Combine(folder, $"{setting}.{group.Rank}"));
            EpochMetrics last = model.History[^1];
            Print(group, FormattableString.Invariant(
                $"{setting}: {last.TrainLoss:R} {last.ValidationLogLoss:R} {last.ValidationAccuracy:R} {model.Temperature:R}"));
        }
    }

    private static void Print(ProcessGroup group, string text)
    {
        Console.WriteLine($"[{group.Rank}] {text}");
        Console.Out.Flush();
    }
}
