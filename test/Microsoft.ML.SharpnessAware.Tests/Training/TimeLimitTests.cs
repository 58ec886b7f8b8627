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

        OutOfTimeException e = Assert.ThrowsExactly<OutOfTimeException>(limit.StepStarts);
        Assert.AreEqual(5, e.Epochs);
        Assert.Contains("16.0 s", e.Message);
        Assert.AreEqual(68, limit.Left.TotalSeconds, 1e-6);
    }

    [TestMethod]
    public void TooSlowForAnythingIsNoEpochs()
    {
        (TimeLimit limit, SteppingClock clock) = Begin(FineTuning.Full, epochs: 8, budget: 100, stepsPerEpoch: 4);
        Assert.AreEqual(0, Stop(limit, clock, secondsPerStep: 10).Epochs);
    }

    [TestMethod]
    public void AFastMachineGetsMore()
    {
        (TimeLimit limit, SteppingClock clock) = Begin(FineTuning.Gentle, epochs: 4, budget: 100, stepsPerEpoch: 2);
        Assert.AreEqual(8, Stop(limit, clock, secondsPerStep: 0.1).Epochs);
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

        OutOfTimeException e = Stop(limit, clock, secondsPerStep: 20);
        Assert.IsNull(e.Epochs);
        Assert.IsGreaterThanOrEqualTo(0, limit.Left.TotalSeconds);
        Assert.IsLessThan(20, limit.Left.TotalSeconds);
        Assert.Contains("of 8 epochs", e.Message);
    }

    [TestMethod]
    public void GivenEpochsAreNotChangedAndTimeIsKeptAllTheSame()
    {
        (TimeLimit limit, SteppingClock clock) = Begin(FineTuning.Full, epochs: 8, budget: 100, stepsPerEpoch: 2, mayReplan: false);
        Assert.IsNull(Stop(limit, clock, secondsPerStep: 12).Epochs);
        Assert.AreEqual(4, limit.Left.TotalSeconds, 1e-6);
    }

    private static OutOfTimeException Stop(TimeLimit limit, SteppingClock clock, double secondsPerStep) =>
        Assert.ThrowsExactly<OutOfTimeException>(() =>
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
