using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Fits one temperature T for all classes (<see href="https://arxiv.org/abs/1706.04599">Guo et al. 2017</see>): p' = softmax(ln p / T),
/// with T the minimiser of the log loss. The first calibrator to try: one number, hard to overfit, and the predicted class never changes.
/// </summary>
/// <remarks>
/// <inheritdoc cref="MulticlassCalibratorEstimator" path="/remarks/node()"/>
/// <para>The log loss is convex in 1/T, so there is one minimum, searched for in [0.01, 100]. Only where every row is right, it falls for
/// ever as T does; the rows then say nothing about how far confidence may rise, and their targets are smoothed, as if the uncalibrated
/// model counted as one row more: the confidence rises to what as many right rows can support, about 1 − 1/N, and not to 1.</para>
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

    internal static TemperatureCalibrator Fit(CalibrationRows rows)
    {
        double ownWeight = rows.AreAllRight ? rows.WeightOfOneRow : 0;
        return new(rows.NumberOfClasses, TemperatureScaling.Fit(rows.Logarithms(), rows.Labels, rows.NumberOfClasses, ownWeight));
    }
}
