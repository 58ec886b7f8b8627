using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Fits a scale and a bias for each class; see <see cref="MulticlassCalibratorsCatalog.Vector"/>.</summary>
internal sealed class VectorCalibratorEstimator(IHostEnvironment environment, string labelColumnName, CalibratorColumns columns,
    double ridge)
    : MulticlassCalibratorEstimator(environment, labelColumnName, columns)
{
    /// <summary>As a normal prior of standard deviation 0.32 on a scale relative to the common one.</summary>
    internal const double ScaleRidge = 10;

    private readonly double _ridge = Require.NonNegative(ridge, nameof(ridge));

    private protected override MulticlassCalibrator Fit(CalibrationRows rows, IHost host, IChannel channel)
    {
        int classes = rows.NumberOfClasses;
        double[] start = new double[2 * classes];
        start.AsSpan(0, classes).Fill(1);
        return new ShrunkenFit(
            start,
            (loss, parameters, checkAlive) =>
                LbfgsMinimizer.Minimize(new VectorObjective(loss, ScaleRidge, _ridge).Evaluate, parameters, checkAlive),
            (parameters, temperature) => new VectorCalibrator(
                Array.ConvertAll(parameters[..classes], relative => relative / temperature), parameters[classes..]) { Floor = rows.Floor })
                    .Fit(rows, host, channel);
    }
}
