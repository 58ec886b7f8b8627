using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Fits one temperature T for all classes (<see href="https://arxiv.org/abs/1706.04599">Guo et al. 2017</see>): p' = softmax(ln p / T),
/// with T the minimiser of the log loss. The first calibrator to try: one number, hard to overfit, and the predicted class never changes.
/// </summary>
/// <remarks>
/// <inheritdoc cref="MulticlassCalibratorEstimator" path="/remarks/node()"/>
/// <para>The log loss is convex in 1/T, so there is one minimum, searched for in [0.01, 100]. One row more is counted, half of
/// it as the model says and half with all classes alike: where all rows are right, or all but one, the log loss alone would make
/// probabilities of 0 and 1 of them; so N right rows raise confidence to about 1 − 1/(2N). With 2,000 rows of a deep network T rises by
/// about 0.004 for it. The log loss of the rows is never above that without calibration: where it would be, T is 1.</para>
/// </remarks>
public sealed class TemperatureCalibratorEstimator : MulticlassCalibratorEstimator
{
    internal TemperatureCalibratorEstimator(
        IHostEnvironment environment, string labelColumnName, string scoreColumnName, string predictedLabelColumnName)
        : base(environment, labelColumnName, scoreColumnName, predictedLabelColumnName)
    {
    }

    private protected override bool KeepsPrediction => true;

    private protected override MulticlassCalibrator Fit(CalibrationRows rows, IHost host, IChannel channel) => Fit(rows);

    internal static TemperatureCalibrator Fit(CalibrationRows rows) =>
        new(rows.NumberOfClasses, TemperatureScaling.FitSmoothed(rows.Logarithms(), rows.Labels, rows.NumberOfClasses));
}
