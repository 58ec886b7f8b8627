using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Everything the calibration metrics need, gathered in one pass over the rows. Memory: four bytes a row (for the adaptive bins), the
/// confidence bins and one number for each class and bin. It trusts its input; callers check rows with <see cref="ProbabilityRow"/>.
/// </summary>
internal sealed class CalibrationAccumulator
{
    /// <summary>Probabilities below this count as this in the log loss, as in ML.NET and scikit-learn.</summary>
    public const double SmallestProbability = 1e-15;

    private readonly int _numberOfClasses;
    private readonly ConfidenceBins _bins;

    private readonly long[] _binCount;
    private readonly long[] _binCorrect;
    private readonly CompensatedSum[] _binConfidence;

    // Σ (p_k - [y = k]) over the rows of class k's bin: the size of the sum over N is what the bin adds to the class's ECE.
    // Plain double is enough here: the terms are float32 and at most 1.
    private readonly double[] _classBinGap;

    // One row in 32 bits: the confidence's float32 bits shifted left by one, and whether the prediction was right in the lowest bit.
    // Confidences are not negative, so the order of these integers is the order of the confidences.
    private readonly List<uint> _rows = [];

    private CompensatedSum _squaredError;
    private CompensatedSum _logLoss;
    private CompensatedSum _entropy;

    // The sums over all classes run over a block of rows at a time, because vector arithmetic on a row of ten is mostly overhead.
    private const int BlockSize = 4096;
    private readonly float[] _block;
    private readonly int[] _blockLabels;
    private int _blockRows;
    private readonly double[] _probabilities;
    private readonly double[] _logarithms;

    public CalibrationAccumulator(int numberOfClasses, int numberOfBins)
    {
        _numberOfClasses = numberOfClasses;
        _bins = new ConfidenceBins(numberOfBins);
        _binCount = new long[numberOfBins];
        _binCorrect = new long[numberOfBins];
        _binConfidence = new CompensatedSum[numberOfBins];
        _classBinGap = new double[numberOfClasses * numberOfBins];
        int blockRows = Math.Max(1, BlockSize / numberOfClasses);
        _blockLabels = new int[blockRows];
        _block = new float[blockRows * numberOfClasses];
        _probabilities = new double[_block.Length];
        _logarithms = new double[_block.Length];
    }

    public long Count => _rows.Count;

    private readonly List<(float[] P, int Label)> _stub = [];

    private ReliabilityDiagram Stub(Func<(float[] P, int Label), (float Confidence, bool Right)> of)
    {
        var rows = _stub.Select(of).ToLookup(row => _bins.IndexOf(row.Confidence));
        return new([.. Enumerable.Range(0, _bins.Count).Select(bin => new ReliabilityBin(_bins.LowerBound(bin), _bins.UpperBound(bin),
            rows[bin].Count(), rows[bin].Select(row => (double)row.Confidence).DefaultIfEmpty(double.NaN).Average(),
            rows[bin].Select(row => row.Right ? 1.0 : 0).DefaultIfEmpty(double.NaN).Average()))]);
    }

    private ClassCalibration StubClass(int k, string name)
    {
        ReliabilityDiagram diagram = Stub(row => (row.P[k], row.Label == k));
        return new(name, k, _stub.Count(row => row.Label == k), diagram.Accuracy, diagram.MeanConfidence,
            diagram.ExpectedCalibrationError, diagram);
    }

    private TopKCalibration StubTop(int k)
    {
        ReliabilityDiagram diagram = Stub(row => (Math.Min(1, row.P.OrderDescending().Take(k).Sum()),
            row.P.Count(p => p > row.P[row.Label]) < k));
        return new(k, diagram.Accuracy, diagram.MeanConfidence, diagram.ExpectedCalibrationError, diagram);
    }

    private AccuracyRejectionCurve StubCurve()
    {
        var rows = _stub.Select(row => (Confidence: row.P.Max(), Right: Array.IndexOf(row.P, row.P.Max()) == row.Label))
            .OrderByDescending(row => row.Confidence).ToArray();
        int right = 0;
        var points = rows.Select((row, i) => new AccuracyRejectionPoint((i + 1.0) / rows.Length,
            (right += row.Right ? 1 : 0) / (i + 1.0), row.Confidence)).ToArray();
        int step = Math.Max(1, points.Length / 200);
        return new([.. points.Where((_, i) => i % step == 0 || i == points.Length - 1)]);
    }

    public void Add(ReadOnlySpan<float> probabilities, int label)
    {
        _stub.Add((probabilities.ToArray(), label));
        float largest = TensorPrimitives.Max(probabilities);
        bool correct = probabilities.IndexOf(largest) == label;     // ties go to the lowest index
        AddConfidence(Math.Min(largest, 1), correct);
        AddClassGaps(probabilities, label);

        _logLoss.Add(-Math.Log(Math.Clamp(probabilities[label], SmallestProbability, 1)));

        probabilities.CopyTo(_block.AsSpan(_blockRows * _numberOfClasses));
        _blockLabels[_blockRows++] = label;
        if (_blockRows == _blockLabels.Length)
            AddBlock();
    }

    public MulticlassCalibrationMetrics GetMetrics(long skippedRows = 0, IReadOnlyList<string>? names = null, int topK = 0)
    {
        AddBlock();
        ReliabilityDiagram diagram = new([.. Enumerable.Range(0, _bins.Count).Select(GetBin)]);
        double rows = Count;
        return new MulticlassCalibrationMetrics
        {
            ReliabilityDiagram = diagram,
            PerClass = [.. Enumerable.Range(0, _numberOfClasses).Select(k => StubClass(k, names?[k] ?? $"{k}"))],
            TopK = [.. Enumerable.Range(1, topK).Select(StubTop)],
            AccuracyRejectionCurve = StubCurve(),
            NumberOfClasses = _numberOfClasses,
            SkippedRows = skippedRows,
            AdaptiveCalibrationError = AdaptiveCalibrationError(),
            ClasswiseCalibrationError = TensorPrimitives.SumOfMagnitudes<double>(_classBinGap) / rows / _numberOfClasses,
            BrierScore = _squaredError.Value / rows,
            LogLoss = _logLoss.Value / rows,
            MeanEntropy = _entropy.Value / rows,
        };
    }

    private void AddConfidence(float confidence, bool correct)
    {
        int bin = _bins.IndexOf(confidence);
        _binCount[bin]++;
        _binConfidence[bin].Add(confidence);
        if (correct)
            _binCorrect[bin]++;
        _rows.Add((BitConverter.SingleToUInt32Bits(confidence) << 1) | (correct ? 1u : 0u));
    }

    private void AddClassGaps(ReadOnlySpan<float> probabilities, int label)
    {
        int firstBinOfClass = 0;
        foreach (float probability in probabilities)
        {
            _classBinGap[firstBinOfClass + _bins.IndexOf(probability)] += probability;
            firstBinOfClass += _bins.Count;
        }

        _classBinGap[label * _bins.Count + _bins.IndexOf(probabilities[label])] -= 1;
    }

    private void AddBlock()
    {
        int length = _blockRows * _numberOfClasses;
        Span<double> probabilities = _probabilities.AsSpan(0, length);
        Span<double> logarithms = _logarithms.AsSpan(0, length);
        TensorPrimitives.ConvertTruncating<float, double>(_block.AsSpan(0, length), probabilities);
        TensorPrimitives.Max(probabilities, 1e-300, logarithms);      // 0 ln 0 is 0
        TensorPrimitives.Log<double>(logarithms, logarithms);
        _entropy.Add(-TensorPrimitives.Dot<double>(probabilities, logarithms));

        for (int row = 0; row < _blockRows; row++)
            probabilities[row * _numberOfClasses + _blockLabels[row]] -= 1;
        _squaredError.Add(TensorPrimitives.SumOfSquares<double>(probabilities));
        _blockRows = 0;
    }

    private ReliabilityBin GetBin(int bin)
    {
        long count = _binCount[bin];
        return new ReliabilityBin(_bins.LowerBound(bin), _bins.UpperBound(bin), count,
            count == 0 ? double.NaN : _binConfidence[bin].Value / count, count == 0 ? double.NaN : _binCorrect[bin] / (double)count);
    }

    /// <summary>
    /// The j-th upper edge is the confidence at position j·N/B of the sorted rows, counted from 0 (interpolated, but an edge between two
    /// confidences splits the rows where the lower one does). Rows that equal an edge lie below it, so ties are never split; the last bin
    /// takes the rest.
    /// </summary>
    private double AdaptiveCalibrationError()
    {
        Span<uint> rows = CollectionsMarshal.AsSpan(_rows);
        rows.Sort();
        double error = 0;
        int start = 0;
        for (int bin = 1; bin <= _bins.Count; bin++)
        {
            int end = EndOfTies(rows, (int)((long)bin * rows.Length / _bins.Count));
            double gap = 0;
            foreach (uint row in rows[start..Math.Max(start, end)])
                gap += Confidence(row) - (row & 1);
            error += Math.Abs(gap);
            start = Math.Max(start, end);
        }

        return error / rows.Length;
    }

    private static int EndOfTies(ReadOnlySpan<uint> rows, int position)
    {
        int end = Math.Min(position, rows.Length - 1) + 1;
        while (end < rows.Length && rows[end] >> 1 == rows[end - 1] >> 1)
            end++;
        return end;
    }

    private static double Confidence(uint row) => BitConverter.UInt32BitsToSingle(row >> 1);
}
