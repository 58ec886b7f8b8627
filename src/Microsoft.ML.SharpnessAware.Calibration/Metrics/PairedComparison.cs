using System.Runtime.Intrinsics;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The arithmetic of <see cref="MulticlassCalibrationMetrics.CompareTo"/>: rows in cells by the bins of both models and by
/// whether each was right; whole cells are resampled, so that the time does not depend on the number of rows.</summary>
internal sealed class PairedComparison
{
    // Where the differences lie in a cell.
    private const int LogLoss = 0;
    private const int BrierScore = 1;
    private const int Accuracy = 2;
    private const int MeanConfidence = 3;

    private readonly OutcomeCell[] _cells;
    private readonly (int BinA, int BinB, double GapA, double GapB)[] _gaps;
    private readonly int _numberOfBins;
    private readonly long _rows;
    private readonly (MeasuredOutcomes A, MeasuredOutcomes B) _measured;

    public PairedComparison(MeasuredOutcomes a, MeasuredOutcomes b, int numberOfBins)
    {
        _numberOfBins = numberOfBins;
        _rows = a.Count;
        _measured = (a, b);
        ConfidenceBins bins = new(numberOfBins);
        Dictionary<(int, int, bool, bool), int> placeOf = [];
        List<OutcomeCell> cells = [];
        List<(int, int, double GapA, double GapB)> gaps = [];
        for (int row = 0; row < a.Count; row++)
        {
            var (of, other) = (a.Row(row), b.Row(row));
            (int binA, int binB) = (bins.IndexOf(of.Confidence), bins.IndexOf(other.Confidence));
            if (!placeOf.TryGetValue((binA, binB, of.Correct, other.Correct), out int place))
            {
                placeOf.Add((binA, binB, of.Correct, other.Correct), place = cells.Count);
                cells.Add(default);
                gaps.Add((binA, binB, 0, 0));
            }

            OutcomeCell cell = cells[place];
            (double rightA, double rightB) = (of.Correct ? 1 : 0, other.Correct ? 1 : 0);
            cell.Add(Vector256.Create(
                of.LogLoss - other.LogLoss, of.BrierScore - other.BrierScore, rightA - rightB, of.Confidence - (double)other.Confidence));
            cells[place] = cell;
            (_, _, double gapA, double gapB) = gaps[place];
            gaps[place] = (binA, binB, gapA + of.Confidence - rightA, gapB + other.Confidence - rightB);
        }

        (_cells, _gaps) = ([.. cells], [.. gaps]);
    }

    /// <param name="lowest">The log loss, Brier score, accuracy and confidence by which this model can be less than the other in a
    /// row.</param>
    /// <param name="highest">By which it can be more.</param>
    /// <param name="numberOfResamples">How often to draw.</param>
    /// <param name="confidenceLevel">How often an interval is to contain the true value.</param>
    /// <param name="seed">Decides the draws.</param>
    public CalibrationComparison Compare(
        Vector256<double> lowest, Vector256<double> highest, int numberOfResamples, double confidenceLevel, int seed)
    {
        MeanIntervals means = new(_cells, lowest, highest, numberOfResamples, new BootstrapRandom(seed, stream: 3));
        BootstrapRandom random = new(seed, stream: 4);
        ErrorDifferences errors =
            new(_measured.A, _measured.B, _numberOfBins, mayDisagree: highest[Accuracy] > 0, numberOfResamples);
        double[] weights = new double[_cells.Length], a = new double[_numberOfBins], b = new double[_numberOfBins];
        for (int resample = 0; resample < numberOfResamples; resample++)
        {
            means.Draw();
            for (int cell = 0; cell < weights.Length; cell++)
                weights[cell] = random.NextGamma(_cells[cell].Count) / _cells[cell].Count;
            double rows = SumGaps(weights, a, b);
            errors.Add(a, b, rows, random.NextGamma(1));
        }

        Array.Fill(weights, 1);
        SumGaps(weights, a, b);
        return new CalibrationComparison
        {
            ConfidenceLevel = confidenceLevel,
            Count = _rows,
            LogLoss = means.GetInterval(LogLoss, confidenceLevel),
            BrierScore = means.GetInterval(BrierScore, confidenceLevel),
            Accuracy = means.GetInterval(Accuracy, confidenceLevel),
            MeanConfidence = means.GetInterval(MeanConfidence, confidenceLevel),
            ExpectedCalibrationError = errors.GetInterval(ErrorDifferences.Of(a, b, _rows), confidenceLevel),
        };
    }

    /// <summary>The weighted gaps of both models in their bins; returns the weight of all rows.</summary>
    private double SumGaps(double[] weights, double[] a, double[] b)
    {
        Array.Clear(a);
        Array.Clear(b);
        double rows = 0;
        for (int cell = 0; cell < weights.Length; cell++)
        {
            (int binA, int binB, double gapA, double gapB) = _gaps[cell];
            a[binA] += weights[cell] * gapA;
            b[binB] += weights[cell] * gapB;
            rows += weights[cell] * _cells[cell].Count;
        }

        return rows;
    }
}
