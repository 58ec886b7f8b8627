using System.Runtime.Intrinsics;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The best and the worst row that could have come: sums over the rows, so that they do not depend on bins.</summary>
internal static class OneMoreRow
{
    /// <param name="measured">The rows.</param>
    /// <param name="meanEntropy">The mean of their entropies.</param>
    /// <param name="numberOfClasses">How many classes there are.</param>
    public static (Vector256<double> Best, Vector256<double> Worst) Of(MeasuredOutcomes measured, double meanEntropy,
        int numberOfClasses) =>
        Of(Enumerable.Range(0, measured.Count).Select(row => (double)measured.Row(row).Confidence), measured.Count * meanEntropy,
            numberOfClasses);

    /// <summary>The same of a binary model: confidence stands for the probability of the positive class, right for positive.</summary>
    public static (Vector256<double> Best, Vector256<double> Worst) OfBinary(MeasuredOutcomes measured, double meanEntropy)
    {
        IEnumerable<double> positive = Enumerable.Range(0, measured.Count).Select(row => (double)measured.Row(row).Confidence);
        (Vector256<double> best, Vector256<double> worst) =
            Of(positive.Select(p => Math.Max(p, 1 - p)), measured.Count * meanEntropy, numberOfClasses: 2);
        return (Binary(best, 0), Binary(worst, 1));

        // The binary Brier score counts one class of the two.
        static Vector256<double> Binary(Vector256<double> row, double probability) =>
            OutcomeCell.Row(probability, row[RowNumber.LogLoss], row[RowNumber.BrierScore] / 2, row[RowNumber.Entropy]);
    }

    private static (Vector256<double> Best, Vector256<double> Worst) Of(IEnumerable<double> confidences, double entropies,
        int numberOfClasses)
    {
        double rights = 0, wrongs = 0, rightLoss = 0, rightBrier = 0, wrongBrier = 0;
        foreach (double c in confidences)
        {
            double rest = 1 - c, others = rest / (numberOfClasses - 1);
            rights += c;
            wrongs += rest;
            rightLoss -= c * Math.Log(c);
            rightBrier += c * rest * rest * (1 + 1.0 / (numberOfClasses - 1));
            wrongBrier += rest * (1 + c * c + rest * others - 2 * others);
        }

        // Undecided as can be; or right, with the loss that the model itself expects of right rows.
        Vector256<double> best = OutcomeCell.Row(1.0 / numberOfClasses, rightLoss / rights, rightBrier / rights, entropy: 0);

        // Sure as can be; or wrong, with the loss that the model itself expects of wrong rows: of these the label's probability is that of
        // the other classes, whose mean logarithm is in the entropy. Where the model takes all for certain, an error costs what it can.
        double most = -Math.Log(CalibrationAccumulator.SmallestProbability);
        (double loss, double brier) = wrongs <= 0 ? (most, 2)
            : (Math.Clamp((entropies - rightLoss) / wrongs, 0, most), wrongBrier / wrongs);
        return (best, OutcomeCell.Row(1, loss, brier, Math.Log(numberOfClasses)));
    }
}
