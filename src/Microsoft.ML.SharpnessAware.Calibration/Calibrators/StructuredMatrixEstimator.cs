using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Penalties that grow with the number of classes; see <see cref="MulticlassCalibratorsCatalog.StructuredMatrix"/>.</summary>
internal sealed class StructuredMatrixEstimator(IHostEnvironment environment, string labelColumnName, CalibratorColumns columns)
    : MatrixCalibratorEstimator(environment, labelColumnName, columns, "A structured matrix")
{
    // The paper adds k/n (Σ b² + Σ Δ_kk²) + k (k − 1)/n Σ Δ_ij² to the mean loss; ridges count halves of squares against the sum.
    private protected override MulticlassCalibrator Fit(CalibrationRows rows, IHost host, IChannel channel)
    {
        double k = rows.NumberOfClasses;
        return Fit(rows, diagonalRidge: 2 * k, offDiagonalRidge: 2 * k * (k - 1), biasRidge: 2 * k, host, channel);
    }
}
