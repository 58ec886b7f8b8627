namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class TimeLimitTests
{
    /// <summary>Steps of 8 s, two an epoch: after four of them 68 s are left, nine tenths of which are 3.8 epochs, and two are
    /// done.</summary>
    [TestMethod]
    public void ASlowMachineGetsFewerEpochs()
    {
        (TimeLimit limit, SteppingClock clock) = Begin(FineTuning.Gentle, epochs: 8, budget: 100, stepsPerEpoch: 2);
        for (int step = 0; step < 4; step++)
        {
            limit.StepStarts();
            clock.Advance(8);
        }

        CandidateEndedException e = Assert.ThrowsExactly<CandidateEndedException>(limit.StepStarts);
        Assert.AreEqual(new FineTuningCandidate(FineTuning.Gentle, 8) { Climbs = false }, e.Instead);
        Assert.Contains("without a climb", e.Message);
        Assert.AreEqual(68 * 0.9 / 16, limit.EpochsLeft(estimatedSeconds: 1), 1e-6, "what was measured counts");
        Assert.Contains("16.0 s", e.Message);
        Assert.AreEqual(68, limit.Left.TotalSeconds, 1e-6);
    }

    [TestMethod]
    public void TooSlowForAnythingIsNoEpochs()
    {
        (TimeLimit limit, SteppingClock clock) = Begin(FineTuning.Full, epochs: 8, budget: 100, stepsPerEpoch: 4);
        CandidateEndedException e = Stop(limit, clock, secondsPerStep: 10);
        Assert.IsNull(e.Instead);
        Assert.IsFalse(e.IsJudged);
        Assert.Contains("allows 0 epochs", e.Message);
    }

    [TestMethod]
    public void AFastMachineGetsMore()
    {
        (TimeLimit limit, SteppingClock clock) = Begin(FineTuning.Gentle, epochs: 4, budget: 100, stepsPerEpoch: 2);
        Assert.AreEqual(8, Stop(limit, clock, secondsPerStep: 0.1).Instead!.Epochs);
    }

    /// <summary>The first step is not measured: it makes buffers.</summary>
    [TestMethod]
    public void APlanThatFitsIsLeftAlone()
    {
        (TimeLimit limit, SteppingClock clock) = Begin(FineTuning.Gentle, epochs: 8, budget: 100, stepsPerEpoch: 2);
        limit.StepStarts();
        clock.Advance(5);
        for (int step = 1; step < 16; step++)
        {
            limit.StepStarts();
            clock.Advance(1);
        }
    }

    /// <summary>The plan fits after the first steps; then something else takes the machine. The training ends a step before the
    /// end.</summary>
    [TestMethod]
    public void ATrainingThatBecomesSlowerIsEndedInTime()
    {
        (TimeLimit limit, SteppingClock clock) = Begin(FineTuning.Gentle, epochs: 8, budget: 100, stepsPerEpoch: 2);
        for (int step = 0; step < 6; step++)
        {
            limit.StepStarts();
            clock.Advance(1);
        }

        CandidateEndedException e = Stop(limit, clock, secondsPerStep: 20);
        Assert.IsTrue(e.IsJudged);
        Assert.IsGreaterThanOrEqualTo(0, limit.Left.TotalSeconds);
        Assert.IsLessThan(20, limit.Left.TotalSeconds);
        Assert.Contains("of 8 epochs", e.Message);
    }

    [TestMethod]
    public void APlanThatHasChangedOnceStaysAndTimeIsKeptAllTheSame()
    {
        (TimeLimit limit, SteppingClock clock) = Begin(FineTuning.Full, epochs: 8, budget: 100, stepsPerEpoch: 2, mayReplan: false);
        Assert.IsTrue(Stop(limit, clock, secondsPerStep: 12).IsJudged);
        Assert.AreEqual(4, limit.Left.TotalSeconds, 1e-6);
    }

    /// <summary>Steps of 6 s, two an epoch, without a climb: after four of them 76 s are left, nine tenths of which are 5.7 epochs, and two
    /// are done. So an epoch with a climb takes 24 s, and for six there is no time.</summary>
    [TestMethod]
    public void AnEpochWithoutAClimbCountsHalf()
    {
        var clock = new SteppingClock(TimeSpan.Zero);
        var limit = new TimeLimit(TimeSpan.FromSeconds(100), clock);
        limit.Begin(new FineTuningCandidate(FineTuning.Gentle, 5) { Climbs = false }, stepsPerEpoch: 2, mayReplan: true);
        FineTuningCandidate? instead = Stop(limit, clock, secondsPerStep: 6).Instead;
        Assert.AreEqual(new FineTuningCandidate(FineTuning.Gentle, 7) { Climbs = false }, instead);
        Assert.AreEqual(76 * 0.9 / 24, limit.EpochsLeft(estimatedSeconds: 1), 1e-6);
    }

    /// <summary>Eight epochs of ten steps, the second half of which climb: 10 s an epoch before, 20 s after. The first steps take a second,
    /// half of what one with a climb takes.</summary>
    [TestMethod]
    public void ClimbsThatComeLaterAreCounted()
    {
        SharpnessAwareMethod sam = SharpnessAwareMethod.Sam(0.01);
        var late = new SharpnessAwareImageClassificationTrainer.Options { Method = sam with { LatePhase = 0.5 } };
        FineTuningCandidate candidate = FineTuningCandidate.Of(FineTuning.Gentle, late);
        Assert.AreEqual(6, candidate.Cost, 1e-9, "eight epochs of three quarters");
        Assert.AreEqual(.5, candidate.CostOfSteps(0, 10, 10), 1e-9);
        Assert.AreEqual(1, candidate.CostOfSteps(40, 50, 10), 1e-9);
        Assert.AreEqual(.75, candidate.CostOfSteps(35, 45, 10), 1e-9);

        var clock = new SteppingClock(TimeSpan.Zero);
        var limit = new TimeLimit(TimeSpan.FromSeconds(90), clock);
        limit.Begin(candidate, stepsPerEpoch: 10, mayReplan: true);
        Assert.AreEqual(5, Stop(limit, clock, secondsPerStep: 1).Instead!.Epochs, "86 s, nine tenths of which are 5.2 epochs of 15 s");

        late.Method = sam with { Period = 5, AscentShare = 0.5 };
        candidate = FineTuningCandidate.Of(FineTuning.Gentle, late);
        Assert.AreEqual(8 * .55, candidate.Cost, 1e-9);
        Assert.AreEqual(.5, candidate.CostOfSteps(1, 4, 10), 1e-9);
        Assert.AreEqual(.75, candidate.CostOfSteps(4, 5, 10), 1e-9);
    }

    /// <summary>Steps of a second, ten an epoch, and as many validation images as there are to train on, each of which takes a sixth of the
    /// time.</summary>
    [TestMethod]
    public void TimeIsLeftForValidation()
    {
        var clock = new SteppingClock(TimeSpan.Zero);
        var limit = new TimeLimit(TimeSpan.FromSeconds(90), clock);
        var candidate = new FineTuningCandidate(FineTuning.Gentle, 8) { ValidationShare = 1 };
        limit.Begin(candidate, stepsPerEpoch: 10, mayReplan: true);
        CandidateEndedException e = Stop(limit, clock, secondsPerStep: 1);
        Assert.AreEqual(6, e.Instead!.Epochs, "86 s, nine tenths of which are 6.6 epochs with validation; and a third of one is done");
        Assert.Contains("an epoch takes 11.7 s", e.Message);
    }

    private static CandidateEndedException Stop(TimeLimit limit, SteppingClock clock, double secondsPerStep) =>
        Assert.ThrowsExactly<CandidateEndedException>(() =>
        {
            for (int step = 0; step < 1000; step++)
            {
                limit.StepStarts();
                clock.Advance(secondsPerStep);
            }
        });

    private static (TimeLimit Limit, SteppingClock Clock) Begin(
        FineTuning kind, int epochs, double budget, int stepsPerEpoch, bool mayReplan = true)
    {
        var clock = new SteppingClock(TimeSpan.Zero);
        var limit = new TimeLimit(TimeSpan.FromSeconds(budget), clock);
        limit.Begin(new FineTuningCandidate(kind, epochs), stepsPerEpoch, mayReplan);
        return (limit, clock);
    }
}
