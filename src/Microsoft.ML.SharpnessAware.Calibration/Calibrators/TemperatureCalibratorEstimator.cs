using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Fits one temperature T for all classes; see <see cref="MulticlassCalibratorsCatalog.Temperature"/>.</summary>
internal sealed class TemperatureCalibratorEstimator(IHostEnvironment environment, string labelColumnName, CalibratorColumns columns)
    : MulticlassCalibratorEstimator(environment, labelColumnName, columns)
{
    private protected override bool KeepsPrediction => true;

    private protected override MulticlassCalibrator Fit(CalibrationRows rows, IHost host, IChannel channel) =>
        new TemperatureCalibrator(rows.NumberOfClasses, rows.FitTemperature()) { Floor = rows.Floor };
}
