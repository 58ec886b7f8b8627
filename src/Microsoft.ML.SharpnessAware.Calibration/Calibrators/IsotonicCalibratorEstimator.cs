using System.Numerics.Tensors;
using Microsoft.ML.Calibrators;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Fits a non-decreasing function for each class against the rest; see <see
/// cref="MulticlassCalibratorsCatalog.Isotonic"/>.</summary>
internal sealed class IsotonicCalibratorEstimator(IHostEnvironment environment, string labelColumnName, CalibratorColumns columns)
    : MulticlassCalibratorEstimator(environment, labelColumnName, columns)
{
    private const int Bisections = 50;

    private protected override MulticlassCalibrator Fit(CalibrationRows rows, IHost host, IChannel channel)
    {
        if (rows.Count > PairAdjacentViolators.MaximumNumberOfRows)
            throw new InvalidOperationException($"Isotonic calibration takes at most {PairAdjacentViolators.MaximumNumberOfRows} rows, not "
                + $"{rows.Count}. Take fewer, for example with mlContext.Data.TakeRows.");
        rows = rows.AsProbabilities();
        IsotonicCalibrator[] perClass = [.. Enumerable.Range(0, rows.NumberOfClasses).Select(k => FitClass(rows, k, host, channel))];
        double temperature = Math.Max(1, rows.FitTemperature());
        return new OneVersusRestIsotonicCalibrator(perClass, temperature, FitModelWeight(rows, perClass, temperature));
    }

    private static IsotonicCalibrator FitClass(CalibrationRows rows, int k, IHost host, IChannel channel)
    {
        host.CheckAlive();
        float[] scores = new float[rows.Count];
        bool[] isClass = new bool[rows.Count];
        for (int row = 0; row < rows.Count; row++)
            (scores[row], isClass[row]) = (rows.Row(row)[k], rows.Labels[row] == k);
        return PairAdjacentViolators.Fit(host, channel, scores, isClass);
    }

    /// <summary>The weight at which the slope of the log loss, the sum of (q_y − p_y) / p'_y over the rows, is 0.</summary>
    private static double FitModelWeight(CalibrationRows rows, IsotonicCalibrator[] perClass, double temperature)
    {
        float[] isotonic = rows.OfLabels(new OneVersusRestIsotonicCalibrator(perClass, temperature, modelWeight: 0));
        float[] model = rows.OfLabels(new TemperatureCalibrator(rows.NumberOfClasses, temperature));
        TensorPrimitives.Max(model, (float)LogProbabilities.Floor(rows.NumberOfClasses), model);        // also at T = 1, as it is applied
        double low = rows.WeightOfOneRow, high = 1;
        if (Slope(low) >= 0)
            return low;
        if (Slope(high) <= 0)
            return high;
        for (int bisection = 0; bisection < Bisections; bisection++)
        {
            double middle = (low + high) / 2;
            (low, high) = Slope(middle) < 0 ? (middle, high) : (low, middle);
        }

        return high;

        double Slope(double weight)
        {
            CompensatedSum slope = default;
            for (int row = 0; row < isotonic.Length; row++)
            {
                double mixed = (1 - weight) * isotonic[row] + weight * model[row];
                slope.Add(((double)isotonic[row] - model[row]) / Math.Max(mixed, CalibrationAccumulator.SmallestProbability));
            }

            return slope.Value;
        }
    }
}
