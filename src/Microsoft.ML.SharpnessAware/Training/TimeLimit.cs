using System.Globalization;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Keeps candidates within the time that is given for all of them, by a clock: from a candidate's first steps it tells how long an epoch
/// takes on this machine, and asks for fewer epochs, or more, with a climb or without; and it ends a training that would go beyond the time
/// all the same, since the machine has become slower.
/// </summary>
/// <param name="budget">The time for all candidates, from now on.</param>
/// <param name="clock">Tells the time.</param>
internal sealed class TimeLimit(TimeSpan budget, TimeProvider clock)
{
    private const int FirstMeasured = 1;    // the step before makes buffers and is slow
    private const int StepsMeasured = 3;
    private const double Slack = 0.9;       // for averages of weights and for a machine that is busier later

    private readonly long _start = clock.GetTimestamp();
    private FineTuningCandidate? _candidate;
    private int _stepsPerEpoch, _step;
    private bool _mayReplan;
    private TimeSpan _measuredFrom, _lastStep, _longestStep;

    public TimeSpan Left => budget - Elapsed;

    /// <summary>The time of the steps of an epoch with a climb as it was measured last; null before.</summary>
    private double? SecondsPerEpoch { get; set; }

    private TimeSpan Elapsed => clock.GetElapsedTime(_start);

    /// <summary>For how many epochs with a climb there is time.</summary>
    /// <param name="estimatedSeconds">Of one, where none was measured.</param>
    public double EpochsLeft(double estimatedSeconds) =>
        SecondsPerEpoch is double measured ? Left.TotalSeconds * Slack / measured : Left.TotalSeconds / estimatedSeconds;

    /// <summary>To be called before the first step of a candidate's training.</summary>
    /// <param name="candidate">What is trained.</param>
    /// <param name="stepsPerEpoch">The number of steps of an epoch.</param>
    /// <param name="mayReplan">Whether the number of epochs may change; not where it has changed once.</param>
    public void Begin(FineTuningCandidate candidate, int stepsPerEpoch, bool mayReplan)
    {
        (_candidate, _stepsPerEpoch, _mayReplan, _step) = (candidate, stepsPerEpoch, mayReplan, 0);
        (_lastStep, _longestStep) = (Elapsed, TimeSpan.Zero);
    }

    /// <summary>To be called before each step.</summary>
    /// <exception cref="CandidateEndedException">The candidate has to end now, or to begin anew with another number of epochs.</exception>
    public void StepStarts()
    {
        TimeSpan now = Elapsed;
        if (_step > 0 && now - _lastStep > _longestStep)
            _longestStep = now - _lastStep;
        _lastStep = now;
        if (_step == FirstMeasured)
            _measuredFrom = now;
        if (_step == FirstMeasured + StepsMeasured)
            Replan(now);
        if (now + _longestStep > budget)
        {
            throw new CandidateEndedException(string.Create(CultureInfo.InvariantCulture,
                $"TimeBudget is used up after {(double)_step / _stepsPerEpoch:F1} of {_candidate!.Epochs} epochs"))
            {
                IsByClock = true,
                IsJudged = true,
            };
        }

        _step++;
    }

    private void Replan(TimeSpan now)
    {
        FineTuningCandidate candidate = _candidate!;
        SecondsPerEpoch = (now - _measuredFrom).TotalSeconds / StepsMeasured * _stepsPerEpoch
            / candidate.CostOfSteps(FirstMeasured, FirstMeasured + StepsMeasured, _stepsPerEpoch);
        if (!_mayReplan)
            return;
        double done = (double)_step / _stepsPerEpoch * candidate.CostOfSteps(0, _step, _stepsPerEpoch);
        double affordable = ((budget - now).TotalSeconds * Slack / SecondsPerEpoch.Value) + done;
        FineTuningCandidate? other = candidate.Within(affordable);
        if (other?.Climbs == candidate.Climbs && other.Epochs >= candidate.Epochs && other.Epochs < candidate.Epochs + 2)
            return;     // one epoch more is not worth beginning anew
        throw new CandidateEndedException(string.Create(CultureInfo.InvariantCulture,
            $"an epoch takes {SecondsPerEpoch * candidate.CostOfAnEpoch:F1} s here, so that TimeBudget allows {other?.Epochs ?? 0} " +
            $"epochs {(other is null || other.Climbs == candidate.Climbs ? "" : other.Climbs ? "with a climb " : "without a climb ")}" +
            $"instead of {candidate.Epochs}"))
        {
            IsByClock = true,
            Instead = other,
        };
    }
}
