using Microsoft.ML.Calibrators;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Fits a non-decreasing function for each class against the rest
/// (<see href="https://doi.org/10.1145/775047.775151">Zadrozny and Elkan 2002</see>) by ML.NET's pair-adjacent-violators trainer, and
/// renormalises. Takes no form for granted, so it can mend what a temperature cannot, and needs thousands of rows not to overfit.
/// </summary>
/// <remarks>
/// <inheritdoc cref="MulticlassCalibratorEstimator" path="/remarks/node()"/>
/// <para>What it gives is mixed with the temperature-scaled model, p' = (1 − w) q + w softmax(ln p / T), where T is the temperature that
/// fits the rows but at least 1: the more cautious of the two. The weight w is the one of the lowest log loss, but at least 1 / (N + 1), as
/// if that model counted as one row more: no class becomes impossible because the N rows happened not to have it. Since the log loss is
/// convex in w, it is not above that of w = 1.</para>
/// <para>Takes at most 8,388,608 rows.</para>
/// </remarks>
public sealed class IsotonicCalibratorEstimator : MulticlassCalibratorEstimator
{
    private const int Bisections = 50;

    internal IsotonicCalibratorEstimator(
        IHostEnvironment environment, string labelColumnName, string scoreColumnName, string predictedLabelColumnName)
        : base(environment, labelColumnName, scoreColumnName, predictedLabelColumnName)
    {
    }

    private protected override MulticlassCalibrator Fit(CalibrationRows rows, IHost host, IChannel channel)
    {
        if (rows.Count > PairAdjacentViolators.MaximumNumberOfRows)
            throw new InvalidOperationException($"Isotonic calibration takes at most {PairAdjacentViolators.MaximumNumberOfRows} rows, not "
                + $"{rows.Count}. Take fewer, for example with mlContext.Data.TakeRows.");
        IsotonicCalibrator[] perClass = [.. Enumerable.Range(0, rows.NumberOfClasses).Select(k => FitClass(rows, k, host, channel))];
        double temperature = Math.Max(1, TemperatureCalibratorEstimator.Fit(rows).Temperature);
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
