using System.Globalization;
using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A way to go on with the whole network after the head: its settings, and how many epochs time allows.</summary>
/// <remarks>
/// What each is worth is in docs/evidence.md. <see cref="FineTuning.Gentle"/> in large steps is far ahead of the head where pictures are
/// unlike those that the network was pretrained on, and destroys it where they are like them, which shows after a third of its epochs; in
/// small steps it does no clear harm anywhere. Where time is short, twice as many epochs without the climb of <see
/// cref="SharpnessAwareMethod"/> have a lower log loss than half as many with it on the mean of each of three sets, clearly on one.
/// </remarks>
/// <param name="Kind"><see cref="FineTuning.Gentle"/> or <see cref="FineTuning.Full"/>.</param>
/// <param name="Epochs">Passes over the images.</param>
internal sealed record FineTuningCandidate(FineTuning Kind, int Epochs)
{
    // Fewer are not worth trying, more gain little on a few hundred pictures. An epoch without a climb takes half the time.
    private const int LeastOfGentle = 4, LeastWithClimb = 6, MostOfGentle = 8, LeastOfFull = 8, MostOfFull = 10;
    private const double CostWithoutClimb = 0.5;

    // One pass forward, where a step with a climb goes forward and, at twice the time, backward, and both twice.
    private const double CostOfValidation = 1.0 / 6;

    private const double Rho = 0.01, RhoOfFull = 0.05;

    // From five times the radius on, 0.1 to 0.3 of log loss is lost. An adaptive radius is about ten times as large (Kwon et al. 2021).
    // Three times the learning rate may still be better (LargeLearningRate); ML.NET's default for a head alone is ten times.
    private const double TimesThatHarm = 5, AdaptiveScale = 10;

    // Of SGD; AdamW's are other numbers.
    private const double LeastOfScratch = 0.02;
    private const double LearningRate = 1e-3, LargeLearningRate = 3e-3, LearningRateOfFull = 0.02;

    // At the temperatures that suit them, the lowest log loss of the first three of eight epochs in large steps was 0.6 to 1.6 of the
    // head's where they came to something, and 1.7 to 1.8 where they did not (nine trainings). To go on in vain costs time, to give up in
    // error a better model: hence near the upper end.
    private const int EpochsToShowPromise = 3;
    private const double LargestLossOfPromise = 5.0 / 3;

    /// <summary>Whether the learning rate is three times that of <see cref="FineTuning.Gentle"/>.</summary>
    public bool StepsAreLarge { get; init; }

    /// <summary>Whether it goes on from the head at a rate that is not this library's.</summary>
    private bool HasRateOfUser { get; init; }

    /// <summary>Whether a step climbs first.</summary>
    public bool Climbs { get; init; } = true;

    /// <summary>The method that the user has said.</summary>
    private SharpnessAwareMethod? GivenMethod { get; init; }

    /// <summary>How many epochs there are where time allows.</summary>
    private int Most { get; init; } = Kind == FineTuning.Full ? MostOfFull : MostOfGentle;

    /// <summary>Its name in the log.</summary>
    public string Name => $"{Kind}{(StepsAreLarge ? " in large steps" : "")}{(Climbs ? "" : " without a climb")}";

    /// <summary>How many validation images there are for each to train on.</summary>
    public double ValidationShare { get; init; }

    /// <summary>How long it takes, in the time of the steps of an epoch with a climb.</summary>
    public double Cost => Epochs * CostOfAnEpoch;

    /// <summary>The same of one epoch with its validation.</summary>
    public double CostOfAnEpoch => CostWith(Climbs);

    /// <summary>The mean cost of some of its steps, counted from 0, in the time of a step with a climb: a late phase, a period or a share
    /// of the climb take less.</summary>
    public double CostOfSteps(int from, int to, int stepsPerEpoch)
    {
        if (!Climbs)
            return CostWithoutClimb;
        SharpnessAwareMethod method = GivenMethod ?? SharpnessAwareMethod.Csam();
        long before = method.StepsBeforeClimbs((long)Epochs * stepsPerEpoch);
        int climbs = Enumerable.Range(from, to - from).Count(step => step >= before && (step + 1) % method.Period == 0);
        return CostWithoutClimb + ((1 - CostWithoutClimb) * method.AscentShare * climbs / (to - from));
    }

    /// <summary>What Auto tries, one after the other, as far as time goes. With an optimiser or a rate of the user's own there are no large
    /// steps beside its.</summary>
    public static IReadOnlyList<FineTuningCandidate> Candidates(Options options)
    {
        FineTuningCandidate gentle = Of(FineTuning.Gentle, options), full = Of(FineTuning.Full, options);
        return IsRateOfUser(options) ? [gentle, full] : [gentle with { StepsAreLarge = true }, gentle, full];
    }

    private static bool IsRateOfUser(Options options) => options.GivenBaseOptimizer is not null || options.LearningRate is not null;

    /// <summary>What to say of a radius of the user's own which suits a training from scratch; null where there is nothing to
    /// say.</summary>
    public static string? AdviceOnRadius(Options options)
    {
        if (options.FineTuning is not (FineTuning.Auto or FineTuning.Gentle)
            || options.GivenMethod is not { NormalizeAscent: true } method)
            return null;
        double suitable = method.Adaptive ? Rho * AdaptiveScale : Rho;
        return method.Rho < TimesThatHarm * suitable ? null : string.Create(CultureInfo.InvariantCulture,
            $"Method has the radius ρ = {method.Rho}, which suits a training from scratch. In the small steps of a pretrained network " +
            $"such radii cost 0.1 to 0.3 of log loss: leave Method unset, or give it ρ = {suitable}.");
    }

    /// <summary>What to say of an SGD of the user's own which suits a training from scratch, as the default that the options show does;
    /// null where there is nothing to say.</summary>
    public static string? AdviceOnBaseOptimizer(Options options) =>
        options.FineTuning is FineTuning.Auto or FineTuning.Gentle && options.GivenBaseOptimizer is BaseOptimizer.Sgd sgd
            && (options.LearningRate ?? sgd.LearningRate) is >= LeastOfScratch and double rate
            ? $"BaseOptimizer is SGD with learning rate {Text(rate)}, which suits a training from scratch. For small steps of " +
                $"a pretrained network leave BaseOptimizer unset, or take AdamW with learning rate {Text(LearningRate)}."
            : null;

    /// <summary>The same of a learning rate of the user's own: that of an ML.NET script, for example, which is for a head alone.</summary>
    public static string? AdviceOnRate(Options options)
    {
        if (options.FineTuning is not (FineTuning.Auto or FineTuning.Gentle)
            || options.GivenBaseOptimizer is not (null or BaseOptimizer.Adam or BaseOptimizer.AdamW)
            || (options.LearningRate ?? options.GivenBaseOptimizer?.LearningRate) is not double rate
            || (float)rate < (float)(TimesThatHarm * LearningRate))
            return null;
        (string what, string way) = options.LearningRate is null
            ? ($"BaseOptimizer has the learning rate {Text(rate)}, which suits a training from scratch.",
                ": leave BaseOptimizer unset, or give it ")
            : ($"LearningRate = {Text(rate)} suits SGD or a training from scratch.", ": leave LearningRate unset, or give it ");
        return $"{what} A pretrained network is trained by AdamW in steps of {Text(LearningRate)}, and large ones undo what it has " +
            $"learnt{way}{Text(LearningRate)} to {Text(LargeLearningRate)}.";
    }

    /// <summary>What was said as a float is 0.01, and not 0.009999999776.</summary>
    private static string Text(double rate) => ((float)rate).ToString(CultureInfo.InvariantCulture);

    /// <summary>What is worth trying within the time.</summary>
    /// <param name="options">The user's.</param>
    /// <param name="budget">The time for all of them.</param>
    /// <param name="secondsPerEpoch">The estimated time of the steps of an epoch with a climb.</param>
    /// <param name="validationShare">How many validation images there are for each to train on.</param>
    public static IReadOnlyList<FineTuningCandidate> Within(
        Options options, TimeSpan budget, double secondsPerEpoch, double validationShare = 0)
    {
        double affordable = budget.TotalSeconds / secondsPerEpoch;
        List<FineTuningCandidate> candidates = [];
        foreach (FineTuningCandidate kind in Candidates(options))
        {
            if ((kind with { ValidationShare = validationShare }).Within(affordable) is not FineTuningCandidate candidate)
                continue;
            candidates.Add(candidate);
            affordable -= candidate.Cost;
        }

        return candidates;
    }

    /// <summary>The same candidate where the steps of so many epochs with a climb can be afforded; null where it is not worth
    /// trying.</summary>
    public FineTuningCandidate? Within(double affordable)
    {
        if (Kind == FineTuning.Full)
            return Of(Climbs, LeastOfFull);
        return GivenMethod is not null ? Of(Climbs, LeastOfGentle) : Of(climbs: true, LeastWithClimb) ?? Of(climbs: false, LeastOfGentle);

        FineTuningCandidate? Of(bool climbs, int least)
        {
            int epochs = (int)Math.Min(affordable / CostWith(climbs), Most);
            return epochs >= Math.Min(least, Most) ? this with { Epochs = epochs, Climbs = climbs } : null;
        }
    }

    private double CostWith(bool climbs) =>
        (climbs ? CostWithoutClimb + ((1 - CostWithoutClimb) * ShareOfClimbs) : CostWithoutClimb) + (ValidationShare * CostOfValidation);

    /// <summary>What a climb in each step takes, as a share of a pass, on the mean over all steps.</summary>
    private double ShareOfClimbs => GivenMethod is { } method ? method.LatePhase * method.AscentShare / method.Period : 1;

    /// <summary>One that is asked for, however long it takes, with as many epochs as the user has set, else as suit it.</summary>
    public static FineTuningCandidate Of(FineTuning kind, Options options)
    {
        int epochs = options.GivenEpoch ?? (kind == FineTuning.Full ? MostOfFull : MostOfGentle);
        return new(kind, epochs)
        {
            Most = epochs, GivenMethod = options.GivenMethod, Climbs = options.GivenMethod is not { Rho: 0 },
            HasRateOfUser = kind == FineTuning.Gentle && IsRateOfUser(options),
        };
    }

    /// <summary>Whether it is to be given up after an epoch, since it is far from what the head has reached.</summary>
    /// <param name="epoch">The epoch that has ended, from 1.</param>
    /// <param name="loss">The lowest log loss so far on the images set aside, at the temperature that suits it.</param>
    /// <param name="ofHead">The head's.</param>
    public bool IsHopeless(int epoch, double loss, double ofHead) =>
        (StepsAreLarge || HasRateOfUser)
        && epoch == EpochsToShowPromise && epoch < Epochs && !(loss <= LargestLossOfPromise * ofHead);

    /// <summary>The options of the training: what the user has set, and for the rest what suits the kind.</summary>
    public Options Apply(Options given, long images)
    {
        bool gentle = Kind == FineTuning.Gentle;
        Options options = given.Clone();
        options.FreezeBatchNorm |= gentle;
        options.Method = given.GivenMethod
            ?? (Climbs ? SharpnessAwareMethod.Csam(gentle ? Rho : RhoOfFull) : SharpnessAwareMethod.Standard);
        options.BaseOptimizer = given.GivenBaseOptimizer ?? (gentle
            ? new BaseOptimizer.AdamW(StepsAreLarge ? LargeLearningRate : LearningRate)
            : new BaseOptimizer.Sgd(LearningRateOfFull));
        options.BackboneLearningRateFactor = gentle ? 0.1 : 1;
        options.Epoch = Epochs;
        options.Augmentation = given.GivenAugmentation ?? (gentle ? Augmentation.Light : Augmentation.None);
        // Small steps want to be many; those of a rate of the user's own may be large, and are left as they are.
        if (gentle || !IsRateOfUser(given))
            options.BatchSize = (int)Math.Clamp(images / 8, Math.Min(16, given.BatchSize), given.BatchSize);
        return options;
    }
}
