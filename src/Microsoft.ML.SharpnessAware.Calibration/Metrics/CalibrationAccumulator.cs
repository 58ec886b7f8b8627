using System.Numerics;
using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Everything the calibration metrics need, gathered in one pass over the rows. Memory: sixteen bytes a row (for what needs their
/// order, and for comparing models row by row), the bins, and three numbers for each class and bin. It trusts its input; callers check
/// rows with <see cref="ProbabilityRow"/>.
/// </summary>
internal sealed class CalibrationAccumulator
{
    /// <summary>Probabilities below this count as this in the log loss, as in ML.NET and scikit-learn.</summary>
    public const double SmallestProbability = 1e-15;

    // 24 bytes each, so 1.6 GB.
    private const int MaximumNumberOfCells = 1 << 26;

    // Logarithms are taken of so many probabilities at a time, because vector arithmetic on a row of ten is mostly overhead. They and
    // their copies fit into the processor's fastest cache.
    private const int ChunkSize = 2048;

    private readonly int _numberOfClasses;
    private readonly int _numberOfBins;
    private readonly OutcomeBins _outcomes;
    private readonly ClassBins _classes;
    private readonly TopKBins? _topK;
    private readonly MeasuredOutcomes _measured = new();

    private readonly double[] _probabilities;
    private readonly double[] _logarithms;
    private readonly double[] _labelLogarithms;

    public CalibrationAccumulator(int numberOfClasses, int numberOfBins, int topKPredictionCount = 0)
    {
        if (topKPredictionCount < 0 || topKPredictionCount > numberOfClasses)
            throw new ArgumentOutOfRangeException(nameof(topKPredictionCount), topKPredictionCount,
                $"The number of top predictions must lie in [0, {numberOfClasses}], the number of classes.");
        ConfidenceBins bins = new(numberOfBins);
        if ((long)numberOfClasses * numberOfBins > MaximumNumberOfCells)
            throw new ArgumentOutOfRangeException(nameof(numberOfBins), numberOfBins,
                $"{numberOfClasses} classes of {numberOfBins} bins take more memory than is reasonable: the classwise error keeps three " +
                    "numbers for "
                + $"each class and bin. With so many classes there can be {Math.Max(1, MaximumNumberOfCells / numberOfClasses)} bins at " +
                    "most.");
        _numberOfClasses = numberOfClasses;
        _numberOfBins = numberOfBins;
        _outcomes = new OutcomeBins(bins);
        _classes = new ClassBins(numberOfClasses, bins);
        _topK = topKPredictionCount > 0 ? new TopKBins(topKPredictionCount, numberOfClasses, bins) : null;

        int chunkRows = Math.Max(1, ChunkSize / numberOfClasses);
        _probabilities = new double[chunkRows * numberOfClasses];
        _logarithms = new double[_probabilities.Length];
        _labelLogarithms = new double[chunkRows];
    }

    public long Count => _measured.Count;

    /// <summary>Adds rows.</summary>
    /// <param name="scores">The probabilities of the rows, row-major.</param>
    /// <param name="labels">The true class of each row.</param>
    public void Add(ReadOnlySpan<float> scores, ReadOnlySpan<int> labels)
    {
        while (!labels.IsEmpty)
        {
            int rows = Math.Min(labels.Length, _labelLogarithms.Length);
            AddChunk(scores[..(rows * _numberOfClasses)], labels[..rows]);
            scores = scores[(rows * _numberOfClasses)..];
            labels = labels[rows..];
        }
    }

    public MulticlassCalibrationMetrics GetMetrics(IReadOnlyList<string>? classNames = null, long skippedRows = 0)
    {
        ConfidenceRanking ranking = _measured.Ranking();
        (ReliabilityDiagram equalMass, OutcomeCell[] equalMassCells) = ranking.EqualMassBins(_numberOfBins);
        return new MulticlassCalibrationMetrics(_classes, classNames, _outcomes.Cells.ToArray(), equalMassCells)
        {
            ReliabilityDiagram = _outcomes.Diagram(),
            AdaptiveReliabilityDiagram = equalMass,
            AccuracyRejectionCurve = ranking.AccuracyRejectionCurve(),
            Ranking = ranking,
            Measured = _measured,
            TopK = _topK?.GetMetrics() ?? [],
            SkippedRows = skippedRows,
            ClasswiseCalibrationError = _classes.ClasswiseCalibrationError(Count),
            BrierScore = _outcomes.Mean(RowNumber.BrierScore),
            LogLoss = _outcomes.Mean(RowNumber.LogLoss),
            MeanEntropy = _outcomes.Mean(RowNumber.Entropy),
        };
    }

    private void AddChunk(ReadOnlySpan<float> scores, ReadOnlySpan<int> labels)
    {
        Span<double> probabilities = _probabilities.AsSpan(0, scores.Length);
        Span<double> logarithms = _logarithms.AsSpan(0, scores.Length);
        TensorPrimitives.ConvertTruncating(scores, probabilities);
        TensorPrimitives.Max(probabilities, 1e-300, logarithms);      // 0 ln 0 is 0
        TensorPrimitives.Log<double>(logarithms, logarithms);

        Span<double> labelLogarithms = _labelLogarithms.AsSpan(0, labels.Length);
        for (int row = 0; row < labels.Length; row++)
            labelLogarithms[row] = Math.Clamp(probabilities[row * _numberOfClasses + labels[row]], SmallestProbability, 1);
        TensorPrimitives.Log<double>(labelLogarithms, labelLogarithms);

        for (int row = 0; row < labels.Length; row++)
        {
            int first = row * _numberOfClasses;
            AddRow(scores.Slice(first, _numberOfClasses), probabilities.Slice(first, _numberOfClasses),
                logarithms.Slice(first, _numberOfClasses), labels[row], labelLogarithms[row]);
        }
    }

    private void AddRow(ReadOnlySpan<float> scores, ReadOnlySpan<double> probabilities, ReadOnlySpan<double> logarithms,
        int label, double labelLogarithm)
    {
        (float largest, double squares, double entropy) = Summarize(probabilities, logarithms);
        bool correct = scores[label] == largest && !scores[..label].Contains(largest);     // ties go to the lowest index
        float confidence = Math.Min(largest, 1);
        double brierScore = Math.Max(0, squares - 2 * probabilities[label] + 1);            // Σ (p_k - [y = k])², never rounded below 0

        _outcomes.Add(confidence, correct, OutcomeCell.Row(confidence, -labelLogarithm, brierScore, entropy));
        _classes.Add(scores, label);
        _measured.Add(label, confidence, correct, -labelLogarithm, brierScore);
        _topK?.Add(scores, label);
    }
    /// <summary>max p, Σ p² and −Σ p ln p of a row, together: three calls for ten numbers would cost more than the arithmetic.</summary>
    private static (float Largest, double Squares, double Entropy) Summarize(
        ReadOnlySpan<double> probabilities, ReadOnlySpan<double> logarithms)
    {
        Vector<double> maxima = Vector<double>.Zero;
        Vector<double> squares = Vector<double>.Zero;
        Vector<double> products = Vector<double>.Zero;
        int k = 0;
        for (; k <= probabilities.Length - Vector<double>.Count; k += Vector<double>.Count)
        {
            Vector<double> p = new(probabilities[k..]);
            maxima = Vector.Max(maxima, p);
            squares += p * p;
            products += p * new Vector<double>(logarithms[k..]);
        }

        double largest = 0;
        for (int lane = 0; lane < Vector<double>.Count; lane++)
            largest = Math.Max(largest, maxima[lane]);
        double sumOfSquares = Vector.Sum(squares);
        double sumOfProducts = Vector.Sum(products);
        for (; k < probabilities.Length; k++)
        {
            double p = probabilities[k];
            largest = Math.Max(largest, p);
            sumOfSquares += p * p;
            sumOfProducts += p * logarithms[k];
        }

        return ((float)largest, sumOfSquares, -sumOfProducts);
    }
}
