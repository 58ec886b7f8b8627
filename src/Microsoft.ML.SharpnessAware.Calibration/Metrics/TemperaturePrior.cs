namespace Microsoft.ML.SharpnessAware;

/// <summary>How much a fitted temperature is held to 1 where there are few rows.</summary>
/// <param name="Weight">
/// w of w · (β − 1 − ln β), which is added to the log loss summed over the rows, β = 1/T: a gamma distribution of β around 1. It holds T
/// from both sides, keeps the loss convex, and fades as rows are added.
/// </param>
/// <param name="HarmDeviations">How many standard errors the temperature must be worse than T = 1 in a cross-fit to be left out; infinity
/// leaves the cross-fit out.</param>
internal sealed record TemperaturePrior(double Weight, double HarmDeviations)
{
    /// <summary>What the experiment <c>temperature</c> of docs/evidence chose. 1.645 standard errors: harm that chance alone shows in one
    /// case of twenty.</summary>
    public static TemperaturePrior Default { get; } = new(Weight: 4, HarmDeviations: 1.645);
}
