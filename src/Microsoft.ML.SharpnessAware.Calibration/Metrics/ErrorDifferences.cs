using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The interval of the difference between the expected calibration errors of two models, from draws of the gaps of both. Rows that are all
/// right say nothing of how often rows are wrong, so one row more is counted, as <see cref="MeanIntervals"/> does: both models right, both
/// wrong, or one of them, whichever moves an end the furthest.
/// </summary>
internal sealed class ErrorDifferences
{
    private readonly (double RightA, double RightB)[] _outcomes;
    private readonly double[] _confidencesA;        // of the one row more, by bins
    private readonly double[] _confidencesB;
    private readonly double[] _sharesA;
    private readonly double[] _sharesB;
    private readonly double[] _gapsA;
    private readonly double[] _gapsB;
    private readonly bool _areSame = true;
    private readonly double[] _errors;
    private readonly double[][] _withOneMore;
    private int _resamples;

    /// <param name="a">One model.</param>
    /// <param name="b">The other, on the same rows.</param>
    /// <param name="numberOfBins">How many bins there are.</param>
    /// <param name="mayDisagree">Whether one can be right where the other is wrong.</param>
    /// <param name="numberOfResamples">How many draws will be added.</param>
    public ErrorDifferences(MeasuredOutcomes a, MeasuredOutcomes b, int numberOfBins, bool mayDisagree, int numberOfResamples)
    {
        _outcomes = mayDisagree ? [(1, 1), (0, 0), (1, 0), (0, 1)] : [(1, 1), (0, 0)];
        _errors = new double[numberOfResamples];
        _withOneMore = [.. _outcomes.Select(_ => new double[numberOfResamples])];
        (_confidencesA, _confidencesB) = (new double[numberOfBins], new double[numberOfBins]);
        (_sharesA, _sharesB) = (new double[numberOfBins], new double[numberOfBins]);
        (_gapsA, _gapsB) = (new double[numberOfBins], new double[numberOfBins]);
        ConfidenceBins bins = new(numberOfBins);
        double share = 1.0 / a.Count;
        for (int row = 0; row < a.Count; row++)
        {
            var (of, other) = (a.Row(row), b.Row(row));
            (int binA, int binB) = (bins.IndexOf(of.Confidence), bins.IndexOf(other.Confidence));
            _confidencesA[binA] += share * of.Confidence;
            _confidencesB[binB] += share * other.Confidence;
            _sharesA[binA] += share;
            _sharesB[binB] += share;
            _areSame &= of.Confidence == other.Confidence && of.Correct == other.Correct;
        }
    }

    /// <summary>Of gaps that are sums over the rows of each bin.</summary>
    public static double Of(ReadOnlySpan<double> gapsA, ReadOnlySpan<double> gapsB, double rows) =>
        (TensorPrimitives.SumOfMagnitudes(gapsA) - TensorPrimitives.SumOfMagnitudes(gapsB)) / rows;

    /// <param name="gapsA">A draw of the gaps of one model.</param>
    /// <param name="gapsB">And of the other.</param>
    /// <param name="rows">The weight of the rows of the draw.</param>
    /// <param name="oneMore">The weight of what is counted besides.</param>
    public void Add(ReadOnlySpan<double> gapsA, ReadOnlySpan<double> gapsB, double rows, double oneMore)
    {
        _errors[_resamples] = Of(gapsA, gapsB, rows);
        for (int outcome = 0; outcome < _outcomes.Length; outcome++)
        {
            for (int bin = 0; bin < _gapsA.Length; bin++)
            {
                _gapsA[bin] = gapsA[bin] + oneMore * (_confidencesA[bin] - _outcomes[outcome].RightA * _sharesA[bin]);
                _gapsB[bin] = gapsB[bin] + oneMore * (_confidencesB[bin] - _outcomes[outcome].RightB * _sharesB[bin]);
            }

            _withOneMore[outcome][_resamples] = Of(_gapsA, _gapsB, rows + oneMore);
        }

        _resamples++;
    }

    /// <param name="difference">That of the rows.</param>
    /// <param name="confidenceLevel">How often the interval is to contain the true difference.</param>
    /// <param name="spread">By how much draws vary too little.</param>
    public ConfidenceInterval GetInterval(double difference, double confidenceLevel, double spread = 1)
    {
        if (_areSame)
            return new ConfidenceInterval(0, 0, 0);
        // Chance adds to both errors, and by so much more to one of them in a draw than in the rows. What it adds in the rows is about as
        // much again, as far as it does not cancel: an end lies where that moves it the furthest.
        double chance = 2 * (difference - _errors.Average()), tail = (1 - confidenceLevel) / 2;
        foreach (double[] errors in _withOneMore)
            Array.Sort(errors);
        double lower = _withOneMore.Min(errors => Percentile.Of(errors, tail)) + Math.Min(0, chance);
        double upper = _withOneMore.Max(errors => Percentile.Of(errors, 1 - tail)) + Math.Max(0, chance);
        return new ConfidenceInterval(difference, Math.Max(-1, difference + spread * Math.Min(0, lower - difference)),
            Math.Min(1, difference + spread * Math.Max(0, upper - difference)));
    }
}
