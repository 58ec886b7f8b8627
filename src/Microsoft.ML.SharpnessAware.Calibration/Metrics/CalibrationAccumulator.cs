using System.Numerics;
using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Everything the calibration metrics need, gathered in one pass over the rows. Memory: sixteen bytes a row (for what needs their
/// order, and for comparing models row by row), at most four megabytes of rows for the temperature, the bins, and three numbers for each
/// class and bin. It trusts its input; callers check rows with <see cref="ProbabilityRow"/>.
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
    private readonly ConfidenceBins _bins;
    private readonly int _topKPredictionCount;
    private readonly CalibrationSums _all;
    private readonly RowSample _sample;
    private readonly Dictionary<int, CalibrationSums> _ofGroup = [];

    private readonly double[] _probabilities;
    private readonly double[] _logarithms;
    private readonly double[] _labelLogarithms;

    public CalibrationAccumulator(int numberOfClasses, int numberOfBins, int topKPredictionCount = 0)
    {
        if (topKPredictionCount < 0 || topKPredictionCount > numberOfClasses)
            throw new ArgumentOutOfRangeException(nameof(topKPredictionCount), topKPredictionCount,
                $"The number of top predictions must lie in [0, {numberOfClasses}], the number of classes.");
        _bins = new ConfidenceBins(numberOfBins);
        if ((long)numberOfClasses * numberOfBins > MaximumNumberOfCells)
            throw new ArgumentOutOfRangeException(nameof(numberOfBins), numberOfBins,
                $"{numberOfClasses} classes of {numberOfBins} bins take more memory than is reasonable: the classwise error keeps three " +
                    "numbers for "
                + $"each class and bin. With so many classes there can be {Math.Max(1, MaximumNumberOfCells / numberOfClasses)} bins at " +
                    "most.");
        _numberOfClasses = numberOfClasses;
        _topKPredictionCount = topKPredictionCount;
        _all = NewSums();
        _sample = new RowSample(numberOfClasses, LogLossDecomposition.MostNumbers);

        int chunkRows = Math.Max(1, ChunkSize / numberOfClasses);
        _probabilities = new double[chunkRows * numberOfClasses];
        _logarithms = new double[_probabilities.Length];
        _labelLogarithms = new double[chunkRows];
    }

    public long Count => _all.Count;

    /// <summary>Adds rows.</summary>
    /// <param name="scores">The probabilities of the rows, row-major.</param>
    /// <param name="labels">The true class of each row.</param>
    /// <param name="groups">The group of each row; empty where there are none.</param>
    /// <param name="clusters">The cluster of each row; empty where there are none.</param>
    public void Add(ReadOnlySpan<float> scores, ReadOnlySpan<int> labels, ReadOnlySpan<int> groups = default,
        ReadOnlySpan<int> clusters = default)
    {
        while (!labels.IsEmpty)
        {
            int rows = Math.Min(labels.Length, _labelLogarithms.Length);
            AddChunk(scores[..(rows * _numberOfClasses)], labels[..rows], groups, clusters);
            scores = scores[(rows * _numberOfClasses)..];
            labels = labels[rows..];
            groups = groups.IsEmpty ? groups : groups[rows..];
            clusters = clusters.IsEmpty ? clusters : clusters[rows..];
        }
    }

    /// <summary>The metrics of all rows.</summary>
    /// <param name="classNames">What the classes are called.</param>
    /// <param name="leftOut">The rows that were left out.</param>
    /// <param name="groups">The groups in the order in which to show them; those without a measured row are not shown.</param>
    public MulticlassCalibrationMetrics GetMetrics(IReadOnlyList<string>? classNames = null, LeftOutRows leftOut = default,
        IEnumerable<(int Number, string Name, LeftOutRows LeftOut)>? groups = null)
    {
        MulticlassCalibrationMetrics metrics = _all.GetMetrics(classNames, leftOut);
        metrics.Sample = _sample;
        metrics.PerGroup =
        [
            .. (groups ?? []).Where(group => _ofGroup.ContainsKey(group.Number))
                .Select(group => new GroupCalibration(group.Name, _ofGroup[group.Number].GetMetrics(classNames, group.LeftOut))),
        ];
        return metrics;
    }

    private CalibrationSums NewSums() => new(_numberOfClasses, _bins, _topKPredictionCount);

    private void AddChunk(ReadOnlySpan<float> scores, ReadOnlySpan<int> labels, ReadOnlySpan<int> groups, ReadOnlySpan<int> clusters)
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
                logarithms.Slice(first, _numberOfClasses), labels[row], labelLogarithms[row],
                groups.IsEmpty ? -1 : groups[row], clusters.IsEmpty ? -1 : clusters[row]);
        }
    }

    private void AddRow(ReadOnlySpan<float> scores, ReadOnlySpan<double> probabilities, ReadOnlySpan<double> logarithms,
        int label, double labelLogarithm, int group, int cluster)
    {
        (float largest, double squares, double entropy) = Summarize(probabilities, logarithms);
        bool correct = scores[label] == largest && !scores[..label].Contains(largest);     // ties go to the lowest index
        float confidence = Math.Min(largest, 1);
        double brierScore = Math.Max(0, squares - 2 * probabilities[label] + 1);            // Σ (p_k - [y = k])², never rounded below 0

        _all.Add(scores, label, correct, confidence, -labelLogarithm, brierScore, entropy, cluster);
        _sample.Add(scores, label);
        if (group < 0)
            return;
        if (!_ofGroup.TryGetValue(group, out CalibrationSums? sums))
            _ofGroup.Add(group, sums = NewSums());
        sums.Add(scores, label, correct, confidence, -labelLogarithm, brierScore, entropy, cluster);
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
