using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The fit of a calibrator that begins as the temperature alone and has more to say. With few rows what it says is chance, however much
/// better it fits them: so it is drawn back towards the temperature as far as rows say that it was not fitted on.
/// </summary>
/// <remarks>
/// The rows are dealt into five parts, those that belong together into one. Parameters start + w (fitted − start) are fitted on four of
/// them and judged on the fifth, for w = 0, ¼, ½, ¾ and 1; the w of the lowest log loss over all parts is used for the fit on all rows.
/// </remarks>
/// <param name="start">The parameters that leave the temperature alone.</param>
/// <param name="minimize">Moves parameters to the minimum for a loss; returns whether it got there.</param>
/// <param name="make">The calibrator of some parameters on top of a temperature.</param>
internal sealed class ShrunkenFit(
    double[] start, Func<SmoothedLogLoss, double[], Action, bool> minimize, Func<double[], double, MulticlassCalibrator> make)
{
    private const int Folds = 5;

    // With more rows, or groups of them, the penalties are enough; and five more fits take their time.
    private const int MaximumRows = 2_000;
    private const long MaximumProducts = 1 << 26;

    private static readonly double[] Weights = [0, 0.25, 0.5, 0.75, 1];

    public MulticlassCalibrator Fit(CalibrationRows rows, IHost host, IChannel channel)
    {
        double weight = NumberOfUnits(rows) <= MaximumRows
            && (long)start.Length * rows.Count <= MaximumProducts ? ChooseWeight(rows, host) : 1;
        var loss = new SmoothedLogLoss(rows);
        if (weight == 0)
            return make(start, loss.Temperature);
        double[] fitted = Minimize(loss, host, out bool hasConverged);
        if (!hasConverged)
            channel.Warning($"The fit has not converged after {LbfgsMinimizer.MaximumIterations} iterations; what it reached is used.");
        return make(Between(fitted, weight), loss.Temperature);
    }

    private double ChooseWeight(CalibrationRows rows, IHost host)
    {
        int[] folds = TemperatureCrossFit.Deal(
            new TemperatureLoss(rows.Logarithms(), rows.Labels, rows.NumberOfClasses, rows.Floor), Folds, rows.Groups);
        double[] losses = new double[Weights.Length];
        for (int fold = 0; fold < Folds; fold++)
        {
            CalibrationRows unseen = rows.Where(row => folds[row] == fold), others = rows.Where(row => folds[row] != fold);
            if (unseen.Count == 0 || others.Count == 0)
                continue;
            var loss = new SmoothedLogLoss(others);
            double[] fitted = Minimize(loss, host, out _);
            for (int i = 0; i < Weights.Length; i++)
                losses[i] += unseen.Count * unseen.LogLossAsFitted(make(Between(fitted, Weights[i]), loss.Temperature));
        }

        return Weights[Array.IndexOf(losses, losses.Min())];
    }

    private static int NumberOfUnits(CalibrationRows rows) => rows.Groups?.Distinct().Count() ?? rows.Count;

    private double[] Minimize(SmoothedLogLoss loss, IHost host, out bool hasConverged)
    {
        double[] parameters = [.. start];
        hasConverged = minimize(loss, parameters, host.CheckAlive);
        return parameters;
    }

    private double[] Between(double[] fitted, double weight) => [.. start.Zip(fitted, (from, to) => from + weight * (to - from))];
}
