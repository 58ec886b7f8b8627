namespace Microsoft.ML.SharpnessAware;

/// <summary>Calibration metrics from arrays: the arithmetic behind <c>mlContext.MulticlassClassification.EvaluateCalibration</c>.</summary>
public static class CalibrationMetrics
{
    /// <summary>The most bins that can be asked for.</summary>
    public const int MaximumNumberOfBins = 10_000;

    /// <summary>Computes how well probabilities match what happened.</summary>
    /// <param name="scores">Class probabilities, row-major: the probability of class k in row i is <c>scores[i * numberOfClasses + k]</c>.
    /// A row may miss a sum of 1 by 0.01, for scores of low precision.</param>
    /// <param name="labels">The true class of each row, zero-based.</param>
    /// <param name="numberOfClasses">The number of classes, at least 2.</param>
    /// <param name="numberOfBins">The number of confidence bins, from 1 to <see cref="MaximumNumberOfBins"/>. 15 is the usual choice (Guo
    /// et al. 2017), so numbers can be compared with the literature.</param>
    /// <param name="topKPredictionCount">For how many of the most probable classes to measure calibration (<see
    /// cref="MulticlassCalibrationMetrics.TopK"/>), from 0, the default, to the number of classes. It costs time for each row.</param>
    /// <returns>The metrics, with the reliability diagrams. The classes are named "0", "1", ….</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="numberOfClasses"/>, <paramref name="numberOfBins"/>, <paramref
    /// name="topKPredictionCount"/> or a label is out of range.</exception>
    /// <exception cref="ArgumentException">There are no rows, the lengths do not match, or a row is not a probability distribution (NaN, a
    /// negative score, a score above 1, or a sum far from 1); the message names the row.</exception>
    /// <example>
    /// Two rows, both predicted as class 0 with confidence 0.8, one of them wrongly: accuracy 0.5, ECE |0.5 − 0.8| = 0.3.
    /// <code>
    /// var metrics = CalibrationMetrics.Compute([0.8f, 0.2f, 0.8f, 0.2f], [0, 1], numberOfClasses: 2);
    /// </code>
    /// </example>
    public static MulticlassCalibrationMetrics Compute(ReadOnlySpan<float> scores, ReadOnlySpan<int> labels, int numberOfClasses,
        int numberOfBins = 15, int topKPredictionCount = 0)
    {
        LabelledRows.Check(scores.Length, labels, numberOfClasses, nameof(scores));
        CalibrationAccumulator accumulator = new(numberOfClasses, numberOfBins, topKPredictionCount);
        for (int row = 0; row < labels.Length; row++)
        {
            if (ProbabilityRow.Problem(scores.Slice(row * numberOfClasses, numberOfClasses)) is string problem)
                throw new ArgumentException(
                    $"Scores must be class probabilities, but row {row} (counted from 0) {problem}.", nameof(scores));
        }

        accumulator.Add(scores, labels);
        return accumulator.GetMetrics();
    }

    /// <summary>Computes how well the probabilities of a binary model match what happened.</summary>
    /// <param name="probabilities">The probability of the positive class, in [0, 1], of each row.</param>
    /// <param name="labels">Whether each row is positive.</param>
    /// <param name="numberOfBins">The number of bins of the probability, from 1 to <see cref="MaximumNumberOfBins"/>.</param>
    /// <returns>The metrics, with the reliability diagrams.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="numberOfBins"/> is out of range.</exception>
    /// <exception cref="ArgumentException">There are no rows, the lengths differ, or a value is not a probability; the message names the
    /// row.</exception>
    public static BinaryCalibrationMetrics ComputeBinary(ReadOnlySpan<float> probabilities, ReadOnlySpan<bool> labels,
        int numberOfBins = 15)
    {
        if (labels.IsEmpty)
            throw new ArgumentException("There are no rows.", nameof(labels));
        if (labels.Length != probabilities.Length)
            throw new ArgumentException($"There are {labels.Length} labels, but {probabilities.Length} probabilities.",
                nameof(probabilities));
        BinaryCalibrationAccumulator accumulator = new(numberOfBins);
        for (int row = 0; row < labels.Length; row++)
        {
            if (!(probabilities[row] >= 0 && probabilities[row] <= 1 + ProbabilityRow.ExcessTolerance))
                throw new ArgumentException(
                    Invariant($"Row {row} (counted from 0) must have a probability in [0, 1], but has {probabilities[row]:G6}."),
                        nameof(probabilities));
            accumulator.Add(Math.Min(probabilities[row], 1), labels[row]);
        }

        return accumulator.GetMetrics();
    }
}
