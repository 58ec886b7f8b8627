namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What a calibrator has learned: a function from the class probabilities of a model to better ones. One of
/// <see cref="TemperatureCalibrator"/>, <see cref="VectorCalibrator"/>, <see cref="OneVersusRestIsotonicCalibrator"/> and
/// <see cref="DirichletCalibrator"/>.
/// </summary>
public abstract class MulticlassCalibrator
{
    private protected MulticlassCalibrator(int numberOfClasses) =>
        (NumberOfClasses, Floor) = (numberOfClasses, LogProbabilities.Floor(numberOfClasses));

    /// <summary>The number of classes.</summary>
    public int NumberOfClasses { get; }

    /// <summary>Calibrates one row of class probabilities.</summary>
    /// <param name="probabilities">The model's probabilities, one for each class; they may miss a sum of 1 by 0.01.</param>
    /// <param name="destination">Receives the calibrated ones; may be the same memory.</param>
    /// <exception cref="ArgumentException">A length is not <see cref="NumberOfClasses"/>, or the values are not probabilities.</exception>
    public void Calibrate(ReadOnlySpan<float> probabilities, Span<float> destination)
    {
        if (probabilities.Length != NumberOfClasses)
            throw new ArgumentException(
                $"The calibrator is for {NumberOfClasses} classes, not {probabilities.Length}.", nameof(probabilities));
        if (destination.Length != NumberOfClasses)
            throw new ArgumentException($"The calibrator is for {NumberOfClasses} classes, not {destination.Length}.", nameof(destination));
        if (ProbabilityRow.Problem(probabilities) is string problem)
            throw new ArgumentException($"The row must hold class probabilities, but it {problem}.", nameof(probabilities));
        Apply(probabilities, ScoreKind.Probabilities, destination);
    }

    /// <summary>What stands for this kind of calibrator in a model file.</summary>
    internal abstract CalibratorKind Kind { get; }

    /// <summary>The least that a probability counts.</summary>
    internal double Floor { get; init; }

    /// <summary>Whether the most probable class stays the same for every row.</summary>
    internal virtual bool KeepsPrediction => false;

    /// <summary><see cref="Calibrate"/> without its checks, of scores of any kind.</summary>
    internal abstract void Apply(ReadOnlySpan<float> scores, ScoreKind kind, Span<float> destination);

    /// <summary>A calibrator of this kind that changes nothing.</summary>
    internal abstract MulticlassCalibrator Unchanged();

    /// <summary>Adds the calibrator to an ONNX graph: from probabilities, float64 [rows, classes], to calibrated ones.</summary>
    internal virtual string AddTo(OnnxGraphWriter graph, string probabilities) =>
        throw new NotSupportedException($"A {GetType().Name} cannot be written as ONNX.");

    /// <summary>Writes the parameters, which <see cref="Kind"/> reads.</summary>
    internal abstract void Write(BinaryWriter writer);

    private protected static void WriteAll(BinaryWriter writer, double[] values)
    {
        foreach (double value in values)
            writer.Write(value);
    }
}
