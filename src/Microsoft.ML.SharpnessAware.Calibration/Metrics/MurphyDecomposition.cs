namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The Brier score in three parts (Murphy 1973, "A new vector partition of the probability score"): reliability − resolution + uncertainty,
/// but for what probabilities differ within a bin.
/// </summary>
/// <param name="Reliability">Σ_b n_b/N · (mean probability_b − frequency_b)²: the calibration part. 0 is best.</param>
/// <param name="Resolution">Σ_b n_b/N · (frequency_b − frequency)²: how far the bins differ in what happens. More is better.</param>
/// <param name="Uncertainty">frequency · (1 − frequency): the score of a forecast that always gives the frequency; it does not depend on
/// the model.</param>
public sealed record MurphyDecomposition(double Reliability, double Resolution, double Uncertainty)
{
    internal static MurphyDecomposition Of(ReliabilityDiagram diagram)
    {
        double frequency = diagram.Accuracy;
        ReliabilityBin[] bins = [.. diagram.Bins.Where(bin => bin.Count > 0)];
        return new MurphyDecomposition(
            bins.Sum(bin => bin.Count * bin.Gap * bin.Gap) / diagram.Count,
            bins.Sum(bin => bin.Count * (bin.Accuracy - frequency) * (bin.Accuracy - frequency)) / diagram.Count,
            frequency * (1 - frequency));
    }
}
