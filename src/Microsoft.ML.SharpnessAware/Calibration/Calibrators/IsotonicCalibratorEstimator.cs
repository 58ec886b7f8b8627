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
/// <para>What it gives is mixed with the model's own probabilities, p' = (1 − w) q + w p. Their weight w is the one of the lowest log loss,
/// but at least 1 / (N + 1), as if the uncalibrated model counted as one row more: no class ever becomes impossible because the N rows
/// happened not to have it. Since the log loss is convex in w, it is not above that of the model, w = 1.</para>
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
        return new OneVersusRestIsotonicCalibrator(perClass, FitModelWeight(rows, perClass));
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

    /// <summary>The weight at which the slope of the log loss, the sum of (q_y − p_y) / p'_y, is 0.</summary>
    private static double FitModelWeight(CalibrationRows rows, IsotonicCalibrator[] perClass)
    {
        var isotonic = new OneVersusRestIsotonicCalibrator(perClass, 0);
        (double Isotonic, double Model)[] ofLabel = new (double, double)[rows.Count];
        double[] q = new double[rows.NumberOfClasses];
        for (int row = 0; row < rows.Count; row++)
        {
            isotonic.ApplyPerClass(rows.Row(row), q);
            ofLabel[row] = (q[rows.Labels[row]], rows.Row(row)[rows.Labels[row]]);
        }

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
            foreach ((double of, double own) in ofLabel)
                slope.Add((of - own) / Math.Max((1 - weight) * of + weight * own, CalibrationAccumulator.SmallestProbability));
            return slope.Value;
        }
    }
}
