namespace Microsoft.ML.SharpnessAware;

/// <summary>How the learning rate changes over a training run, as an immutable value.</summary>
public abstract record LearningRateSchedule
{
    /// <summary>The number by which the base learning rate is multiplied in a step.</summary>
    /// <param name="step">Number of steps already done: 0 in the first step.</param>
    /// <param name="totalSteps">Number of steps of the whole run, at least 1.</param>
    /// <returns>A factor of at least 0.</returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// <paramref name="step"/> is negative or <paramref name="totalSteps"/> is less than 1.
    /// </exception>
    public double Factor(long step, long totalSteps)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        ArgumentOutOfRangeException.ThrowIfLessThan(totalSteps, 1);
        return CheckedFactor(step, totalSteps);
    }

    private protected abstract double CheckedFactor(long step, long totalSteps);

    private protected LearningRateSchedule()
    {
    }

    /// <summary>The base learning rate in every step.</summary>
    public sealed record Constant : LearningRateSchedule
    {
        private protected override double CheckedFactor(long step, long totalSteps) => 1;
    }

    /// <summary>
    /// Linear warm-up, then half a cosine down (Loshchilov and Hutter, ICLR 2017), as in the papers of SAM, SSAM and CSAM.
    /// </summary>
    /// <remarks>
    /// With T steps of which W = WarmupFraction·T, rounded, are warm-up: step t &lt; W has factor (t + 1)/(W + 1), so the first step
    /// already learns; step W has factor 1; and the cosine falls to FinalFraction at t = T, the end of the run. Later steps keep it.
    /// </remarks>
    /// <param name="WarmupFraction">
    /// Part of the run, in [0, 1), that is warm-up. Default 0.05: long enough for batch statistics and moments to settle.
    /// </param>
    /// <param name="FinalFraction">The factor at the end, in [0, 1]. Default 0.</param>
    public sealed record Cosine(double WarmupFraction = 0.05, double FinalFraction = 0) : LearningRateSchedule
    {
        /// <summary>Part of the run, in [0, 1), that is warm-up. Default: 0.05.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 1).</exception>
        public double WarmupFraction { get; init => field = Require.BelowOne(value, nameof(WarmupFraction)); } =
            Require.BelowOne(WarmupFraction, nameof(WarmupFraction));

        /// <summary>The factor at the end, in [0, 1]. Default: 0.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 1].</exception>
        public double FinalFraction { get; init => field = Require.Within(value, 0, 1, nameof(FinalFraction)); } =
            Require.Within(FinalFraction, 0, 1, nameof(FinalFraction));

        private protected override double CheckedFactor(long step, long totalSteps)
        {
            long warmup = Math.Min((long)Math.Round(WarmupFraction * totalSteps), totalSteps - 1);
            if (step < warmup)
                return (step + 1.0) / (warmup + 1.0);
            double progress = Math.Min(1, (double)(step - warmup) / (totalSteps - warmup));
            return FinalFraction + (1 - FinalFraction) * 0.5 * (1 + Math.Cos(Math.PI * progress));
        }
    }
}
