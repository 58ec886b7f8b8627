using static System.FormattableString;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What a training step minimises: plain loss, SAM and its relatives, as an immutable value of independent switches and numbers.
/// </summary>
/// <remarks>
/// <para>
/// With w all trainable parameters as one vector, L the mean loss over the mini-batch and ε = 10⁻¹², a step climbs to
/// w̃ = w + ρ g/(‖g‖₂ + ε) with g = ∇L(w), takes the gradient g̃ there, returns to w and lets the base optimiser apply g̃.
/// A climb costs a second forward and backward pass, so a step takes about twice the time of the base optimiser alone.
/// </para>
/// <para>
/// The factory methods give the published methods; a <c>with</c> expression combines their switches, for example
/// <c>SharpnessAwareMethod.Csam() with { Renormalize = true }</c>. Every value is checked when it is set.
/// </para>
/// </remarks>
public sealed record SharpnessAwareMethod
{
    /// <summary>The base optimiser alone: no climb, one pass a step.</summary>
    public static SharpnessAwareMethod Standard { get; } = new();

    /// <summary>Radius ρ of the climb, at least 0. 0 does not climb: it is the base optimiser, on the loss that γ damps where <see
    /// cref="Gamma"/> is above 0. Default: 0.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative, not a number, or beyond the largest float.</exception>
    public double Rho { get; init => field = Require.NonNegativeFloat(value, nameof(Rho)); }

    /// <summary>
    /// Whether the climb is scaled element by element, w̃ = w + ρ w²g/(‖|w|g‖₂ + ε) (ASAM), so that it does not depend on how the weights
    /// of a layer are scaled. Default: false.
    /// </summary>
    public bool Adaptive { get; init; }

    /// <summary>
    /// Whether the climb has length ρ whatever the gradient's length (true, as in SAM), or is w̃ = w + ρ g (false: USAM, and SSAM as run in
    /// its paper). Default: true.
    /// </summary>
    public bool NormalizeAscent { get; init; } = true;

    /// <summary>
    /// Whether the gradient g̃ is rescaled to the length that g had at w (SSAM), which keeps steps bounded when ρ or the learning rate is
    /// large. Default: false.
    /// </summary>
    public bool Renormalize { get; init; }

    /// <summary>
    /// CSAM's γ in [0, 2]: the gradient g̃ is that of the loss damped by (1 + p)^(−γ) for samples whose true class has a probability p
    /// above ½, which keeps confident samples from growing more confident. 0, the default, is the undamped loss.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 2].</exception>
    public double Gamma { get; init => field = Require.Within(value, 0, 2, nameof(Gamma)); }

    /// <summary>
    /// Share in [0, 1] of the training, at its end, whose steps climb; the others are steps of the base optimiser. Default 1. SAM in the
    /// last quarter or tenth finds minima about as flat as SAM throughout (Andriushchenko and Flammarion 2022; arXiv 2410.10373). It is the
    /// trainer that knows how long a training is: the optimiser alone refuses a share below 1; set <see
    /// cref="SharpnessAwareOptimizer.Climbs"/> there.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 1].</exception>
    public double LatePhase { get; init => field = Require.Within(value, 0, 1, nameof(LatePhase)); } = 1;

    /// <summary>
    /// Share in (0, 1] of the mini-batch, at least one sample, on which the gradient of the climb is computed (Bahri et al. 2022,
    /// "Sharpness-aware minimization improves language model generalization"). The gradient g̃ is always that of the whole mini-batch;
    /// SSAM rescales it to the length of the share's gradient. Default 1.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not in (0, 1].</exception>
    public double AscentShare
    {
        get;
        init => field = value > 0 ? Require.Within(value, 0, 1, nameof(AscentShare))
            : throw new ArgumentOutOfRangeException(nameof(AscentShare), value, $"{nameof(AscentShare)} must be above 0 and at most 1.");
    } = 1;

    /// <summary>
    /// One step in this many climbs, with radius ρ times this number; the others are steps of the base optimiser. MosaicML Composer's
    /// <c>interval</c> leaves ρ as it is: divide its ρ by the interval. Default 1: every step climbs. <see cref="int.MaxValue"/> is the
    /// base optimiser.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is less than 1.</exception>
    public int Period
    {
        get;
        init => field = value >= 1 ? value
            : throw new ArgumentOutOfRangeException(nameof(Period), value, $"{nameof(Period)} must be at least 1.");
    } = 1;

    /// <summary>Of so many steps, those before the late phase, which are steps of the base optimiser.</summary>
    internal long StepsBeforeClimbs(long totalSteps) => totalSteps - (long)Math.Round(LatePhase * totalSteps);

    /// <summary>Whether a step, unless it is left out, takes a second pass.</summary>
    internal bool TakesTwoPasses => Rho > 0 || (Renormalize && Gamma > 0);

    /// <summary>Sharpness-aware minimisation (Foret et al. 2021).</summary>
    /// <param name="rho">Radius ρ ≥ 0. Usual values are 0.05 on CIFAR-10 and ImageNet, and 0.2 on CIFAR-100 and for vision
    /// transformers.</param>
    /// <returns>The method.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="rho"/> is negative, not a number, or beyond the largest
    /// float.</exception>
    public static SharpnessAwareMethod Sam(double rho = 0.05) => new() { Rho = rho };

    /// <summary>Stable SAM (Tan et al. 2024, JMLR 26): SAM with the second pass's gradient rescaled to the length of the first's.</summary>
    /// <param name="rho">Radius ρ ≥ 0.</param>
    /// <returns>The method.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="rho"/> is negative, not a number, or beyond the largest
    /// float.</exception>
    public static SharpnessAwareMethod Ssam(double rho = 0.05) => Sam(rho) with { Renormalize = true };

    /// <summary>Calibrated SAM (Tan et al. 2025, ICLR 2026): SAM whose second pass damps the loss of confident samples.</summary>
    /// <param name="rho">Radius ρ ≥ 0.</param>
    /// <param name="gamma">Strength of the damping γ in [0, 2]; the paper uses 0.5, 1 and 2. 0 is SAM.</param>
    /// <returns>The method.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="rho"/> or <paramref name="gamma"/> is out of its range.</exception>
    public static SharpnessAwareMethod Csam(double rho = 0.05, double gamma = 1.0) => Sam(rho) with { Gamma = gamma };

    /// <summary>Adaptive SAM (Kwon et al. 2021).</summary>
    /// <param name="rho">Radius ρ ≥ 0. Measured in scaled weights, so about ten times SAM's; the paper uses 0.5 on CIFAR-10.</param>
    /// <returns>The method.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="rho"/> is negative, not a number, or beyond the largest
    /// float.</exception>
    public static SharpnessAwareMethod Asam(double rho = 0.5) => Sam(rho) with { Adaptive = true };

    /// <summary>The method's name and numbers, for example <c>SSAM (ρ = 0.05)</c> or <c>ASAM + CSAM (ρ = 0.5, γ = 1)</c>.</summary>
    /// <returns>The text, the same in every culture.</returns>
    public override string ToString()
    {
        if (Rho == 0 && Gamma == 0)
            return "Standard";

        List<string> names = [];
        if (!NormalizeAscent)
            names.Add("USAM");
        if (Adaptive)
            names.Add("ASAM");
        if (Renormalize)
            names.Add("SSAM");
        if (Gamma > 0)
            names.Add("CSAM");
        string name = names.Count == 0 ? "SAM" : string.Join(" + ", names);
        List<string> numbers = [Invariant($"ρ = {Rho}")];
        if (Gamma > 0)
            numbers.Add(Invariant($"γ = {Gamma}"));
        if (LatePhase < 1)
            numbers.Add(Invariant($"late phase {LatePhase}"));
        if (AscentShare < 1)
            numbers.Add(Invariant($"ascent share {AscentShare}"));
        if (Period > 1)
            numbers.Add(Invariant($"period {Period}"));
        return $"{name} ({string.Join(", ", numbers)})";
    }
}
