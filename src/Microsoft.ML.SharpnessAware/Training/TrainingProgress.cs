namespace Microsoft.ML.SharpnessAware;

/// <summary>Where in its epochs a training stands.</summary>
internal sealed class TrainingProgress
{
    private const int MaximumHalvings = 64;

    /// <summary>The current epoch, counted from 1.</summary>
    public int Epoch { get; private set; } = 1;

    /// <summary>The mini-batches of the current epoch that are done.</summary>
    public int Batch { get; private set; }

    /// <summary>The steps done in all epochs.</summary>
    public long Step { get; private set; }

    /// <summary>The sum of the losses of the current epoch's images so far.</summary>
    public double LossSum { get; private set; }

    /// <summary>How often the learning rate was halved because the training diverged.</summary>
    public int Halvings { get; set; }

    /// <summary>Whether the training ended before its last epoch.</summary>
    public bool StoppedEarly { get; set; }

    public List<EpochMetrics> History { get; private set; } = [];

    public void StepDone(double loss, int images)
    {
        LossSum += images * loss;
        Batch++;
        Step++;
    }

    public void EpochDone(EpochMetrics metrics)
    {
        History.Add(metrics);
        Epoch++;
        Batch = 0;
        LossSum = 0;
    }

    public void Write(BinaryWriter writer)
    {
        writer.Write(Epoch);
        writer.Write(Batch);
        writer.Write(Step);
        writer.Write(LossSum);
        writer.Write(Halvings);
        writer.Write(StoppedEarly);
        writer.WriteHistory(History);
    }

    /// <exception cref="InvalidDataException">The counters, which were read, are not of a training of so many epochs and
    /// batches.</exception>
    public void CheckWithin(int epochs, int batchesPerEpoch)
    {
        if (Epoch > epochs + 1L || Batch >= batchesPerEpoch || Step != ((Epoch - 1L) * batchesPerEpoch) + Batch)
            throw new InvalidDataException(
                $"The checkpoint is damaged: epoch {Epoch}, batch {Batch}, step {Step} is not in {epochs} epochs of {batchesPerEpoch} " +
                "batches.");
    }

    /// <summary>What came later, and stands at the end of a checkpoint.</summary>
    public void WriteRefinements(BinaryWriter writer) => writer.WriteRefinements(History);

    public void ReadRefinements(BinaryReader reader) => History = reader.ReadRefinements(History);

    public void Read(BinaryReader reader)
    {
        (int epoch, int batch, long step, double lossSum, int halvings, bool stoppedEarly) =
            (reader.ReadInt32(), reader.ReadInt32(), reader.ReadInt64(), reader.ReadDouble(), reader.ReadInt32(), reader.ReadBoolean());
        List<EpochMetrics> history = reader.ReadHistory();
        if (epoch < 1 || batch < 0 || step < batch || halvings is < 0 or > MaximumHalvings || history.Count != epoch - 1)
            throw new InvalidDataException("The checkpoint is damaged: its counters contradict each other.");
        (Epoch, Batch, Step, LossSum, Halvings, StoppedEarly, History) = (epoch, batch, step, lossSum, halvings, stoppedEarly, history);
    }
}
