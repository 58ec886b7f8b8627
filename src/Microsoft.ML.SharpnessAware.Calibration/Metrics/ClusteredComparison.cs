using System.Numerics.Tensors;
using System.Runtime.Intrinsics;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// As <see cref="PairedComparison"/>, where rows belong together: whole clusters are drawn (Bayesian bootstrap of clusters, each with a
/// random weight), since only these are independent. Field and Welsh 2007, "Bootstrapping clustered data".
/// </summary>
internal sealed class ClusteredComparison
{
    // Where the differences lie.
    private const int LogLoss = 0;
    private const int BrierScore = 1;
    private const int Accuracy = 2;
    private const int MeanConfidence = 3;

    private readonly int _numberOfBins;
    private readonly ClusterUnits _units;
    private readonly long _rows;
    private readonly Vector256<double>[] _differences;
    private readonly double[] _counts;
    private readonly double[] _gapsA;       // [units × bins]
    private readonly double[] _gapsB;
    private readonly double[] _sumA;
    private readonly double[] _sumB;
    private readonly (MeasuredOutcomes A, MeasuredOutcomes B) _measured;

    public ClusteredComparison(MeasuredOutcomes a, MeasuredOutcomes b, List<int> clusters, int numberOfBins)
    {
        _numberOfBins = numberOfBins;
        _rows = a.Count;
        _measured = (a, b);
        _units = new ClusterUnits(clusters, numberOfBins);
        int units = _units.Count;
        ConfidenceBins bins = new(numberOfBins);
        _differences = new Vector256<double>[units];
        _counts = new double[units];
        (_gapsA, _gapsB) = (new double[units * numberOfBins], new double[units * numberOfBins]);
        (_sumA, _sumB) = (new double[numberOfBins], new double[numberOfBins]);
        for (int row = 0; row < a.Count; row++)
        {
            int unit = _units.OfRow[row];
            var (of, other) = (a.Row(row), b.Row(row));
            (double rightA, double rightB) = (of.Correct ? 1 : 0, other.Correct ? 1 : 0);
            _differences[unit] += Vector256.Create(of.LogLoss - other.LogLoss, of.BrierScore - other.BrierScore, rightA - rightB,
                of.Confidence - (double)other.Confidence);
            _counts[unit]++;
            _gapsA[unit * numberOfBins + bins.IndexOf(of.Confidence)] += of.Confidence - rightA;
            _gapsB[unit * numberOfBins + bins.IndexOf(other.Confidence)] += other.Confidence - rightB;
        }
    }

    /// <inheritdoc cref="PairedComparison.Compare"/>
    public CalibrationComparison Compare(
        Vector256<double> lowest, Vector256<double> highest, int numberOfResamples, double confidenceLevel, int seed)
    {
        BootstrapRandom random = new(seed, stream: 5);
        ErrorDifferences errors =
            new(_measured.A, _measured.B, _numberOfBins, mayDisagree: highest[Accuracy] > 0, numberOfResamples);
        double[] weights = new double[_counts.Length];
        double[][] lower = [.. Enumerable.Range(0, Vector256<double>.Count).Select(_ => new double[numberOfResamples])];
        double[][] upper = [.. lower.Select(_ => new double[numberOfResamples])];
        double size = (double)_rows / _units.NumberOfClusters;        // of the one cluster more that could have come
        for (int resample = 0; resample < numberOfResamples; resample++)
        {
            for (int unit = 0; unit < weights.Length; unit++)
                weights[unit] = random.NextGamma(1);
            (Vector256<double> sum, double rows) = Sums(weights);
            double oneMore = size * random.NextGamma(1);
            errors.Add(_sumA, _sumB, rows, oneMore);
            Vector256<double> low = (sum + oneMore * lowest) / (rows + oneMore), high = (sum + oneMore * highest) / (rows + oneMore);
            for (int number = 0; number < lower.Length; number++)
                (lower[number][resample], upper[number][resample]) = (low[number], high[number]);
        }

        Array.Fill(weights, 1);
        Vector256<double> estimates = Sums(weights).Sum / _rows;
        double difference = ErrorDifferences.Of(_sumA, _sumB, _rows);
        return new CalibrationComparison
        {
            ConfidenceLevel = confidenceLevel,
            Count = _rows,
            NumberOfClusters = _units.NumberOfClusters,
            LogLoss = Interval(LogLoss),
            BrierScore = Interval(BrierScore),
            Accuracy = Interval(Accuracy),
            MeanConfidence = Interval(MeanConfidence),
            ExpectedCalibrationError = _units.NumberOfClusters == 1 ? new ConfidenceInterval(difference, -1, 1)
                : errors.GetInterval(difference, confidenceLevel, _units.Spread),
        };

        ConfidenceInterval Interval(int number) =>
            Percentile.Interval(estimates[number], lower[number], upper[number], confidenceLevel);
    }

    /// <summary>The weighted sums of the differences and of the rows, and those of the gaps in their fields.</summary>
    private (Vector256<double> Sum, double Rows) Sums(double[] weights)
    {
        Vector256<double> sum = default;
        double rows = 0;
        Array.Clear(_sumA);
        Array.Clear(_sumB);
        for (int unit = 0; unit < weights.Length; unit++)
        {
            sum += weights[unit] * _differences[unit];
            rows += weights[unit] * _counts[unit];
            TensorPrimitives.MultiplyAdd(_gapsA.AsSpan(unit * _numberOfBins, _numberOfBins), weights[unit], _sumA, _sumA);
            TensorPrimitives.MultiplyAdd(_gapsB.AsSpan(unit * _numberOfBins, _numberOfBins), weights[unit], _sumB, _sumB);
        }

        return (sum, rows);
    }
}
