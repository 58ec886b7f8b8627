using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A way to go on with the whole network after the head: its settings, and how many epochs time allows.</summary>
/// <param name="Kind"><see cref="FineTuning.Gentle"/> or <see cref="FineTuning.Full"/>.</param>
/// <param name="Epochs">Passes over the images.</param>
internal sealed record FineTuningCandidate(FineTuning Kind, int Epochs)
{
    // Fewer are not worth trying, more gain little on a few hundred pictures.
    private const int LeastOfGentle = 4, MostOfGentle = 8, LeastOfFull = 8, MostOfFull = 10;

    /// <summary>What is worth trying within the time: gentle first, which needs less to show what it is worth and does harm
    /// nowhere.</summary>
    /// <param name="budget">The time for all of them.</param>
    /// <param name="secondsPerEpoch">The estimated time of an epoch of either.</param>
    public static IReadOnlyList<FineTuningCandidate> Within(TimeSpan budget, double secondsPerEpoch)
    {
        double affordable = budget.TotalSeconds / secondsPerEpoch;
        List<FineTuningCandidate> candidates = [];
        foreach (FineTuning kind in new[] { FineTuning.Gentle, FineTuning.Full })
        {
            int epochs = EpochsWithin(kind, affordable);
            if (epochs > 0)
                candidates.Add(new(kind, epochs));
            affordable -= epochs;
        }

        return candidates;
    }

    /// <summary>How many epochs of a kind to train where so many can be afforded for it and what follows it; 0 where they are not worth
    /// it.</summary>
    public static int EpochsWithin(FineTuning kind, double affordable)
    {
        int epochs = (int)Math.Min(affordable, MostOfGentle + MostOfFull);
        return kind == FineTuning.Full
            ? epochs >= LeastOfFull ? Math.Min(MostOfFull, epochs) : 0
            : epochs >= LeastOfGentle + LeastOfFull ? Math.Min(MostOfGentle, epochs - LeastOfFull)
            : epochs >= LeastOfGentle ? Math.Min(MostOfGentle, epochs) : 0;
    }

    /// <summary>One that is asked for, however long it takes.</summary>
    public static FineTuningCandidate Of(FineTuning kind) => new(kind, kind == FineTuning.Full ? MostOfFull : MostOfGentle);

    /// <summary>The options of the training: what the user has set, and for the rest what suits the kind.</summary>
    public Options Apply(Options given, long images)
    {
        bool gentle = Kind == FineTuning.Gentle;
        Options options = given.Clone();
        options.FreezeBatchNorm |= gentle;
        options.Method = given.GivenMethod ?? SharpnessAwareMethod.Csam(gentle ? 0.01 : 0.05);
        options.BaseOptimizer = given.GivenBaseOptimizer ?? (gentle ? new BaseOptimizer.AdamW(1e-3) : new BaseOptimizer.Sgd(0.05));
        options.BackboneLearningRateFactor = gentle ? 0.1 : 1;
        options.Epoch = given.GivenEpoch ?? Epochs;
        options.Augmentation = given.GivenAugmentation ?? (gentle ? Augmentation.Light : Augmentation.None);
        // Small steps want to be many; large ones, of a rate that is meant for large batches, must not be.
        if (gentle)
            options.BatchSize = (int)Math.Clamp(images / 8, Math.Min(16, given.BatchSize), given.BatchSize);
        return options;
    }
}
