namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The log loss in two parts: what the best temperature takes away, and what it leaves (Berta et al. 2025, "Rethinking early stopping:
/// refine, then calibrate", <see href="https://arxiv.org/abs/2501.19195"/>). The sum is the log loss.
/// </summary>
/// <remarks>The temperatures are cross-fitted: each fifth of the rows is judged by the temperature of the others, so that a model that is
/// calibrated does not seem to gain. The calibration part may then be a little below 0, by chance. As a calibrator's they are held to 1
/// where rows are few (see <see cref="MulticlassCalibratorsCatalog.Temperature"/>), and a probability counts after them as at least
/// 2⁻²²/K for K classes. What the log loss, in which it counts as at least 1e-15, is above that is lost by being too sure.</remarks>
/// <param name="Calibration">The log loss before the temperature less that after it: what is lost by being too sure, or not sure
/// enough. Measured on at most 1,048,576 probabilities, of rows that are drawn.</param>
/// <param name="Refinement">The log loss after the temperature: how well the classes are told apart. Lower is better; no temperature
/// changes it.</param>
/// <param name="Temperature">The temperature that suits all of these rows; above 1 where the model is too sure.</param>
public sealed record LogLossDecomposition(double Calibration, double Refinement, double Temperature)
{
    /// <summary>How many probabilities it is measured on at most, rows times classes.</summary>
    internal const int MostNumbers = 1 << 20;
}
