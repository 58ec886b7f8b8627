using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Off-diagonal and intercept regularisation; see <see cref="MulticlassCalibratorsCatalog.Dirichlet"/>.</summary>
internal sealed class DirichletCalibratorEstimator : MatrixCalibratorEstimator
{
    private readonly double? _offDiagonalRegularization;
    private readonly double _biasRegularization;

    public DirichletCalibratorEstimator(IHostEnvironment environment, string labelColumnName, CalibratorColumns columns,
        double? offDiagonalRegularization, double biasRegularization)
        : base(environment, labelColumnName, columns, "Dirichlet calibration")
    {
        if (offDiagonalRegularization is double given)
            Require.NonNegative(given, nameof(offDiagonalRegularization));
        _offDiagonalRegularization = offDiagonalRegularization;
        _biasRegularization = Require.NonNegative(biasRegularization, nameof(biasRegularization));
    }

    private protected override MulticlassCalibrator Fit(CalibrationRows rows, IHost host, IChannel channel) => Fit(
        rows, VectorCalibratorEstimator.ScaleRidge, _offDiagonalRegularization ?? rows.NumberOfClasses, _biasRegularization, host, channel);
}
