using System.Buffers;
using System.Collections.ObjectModel;
using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Dirichlet calibration (<see href="https://arxiv.org/abs/1910.12656">Kull et al. 2019</see>): p' = softmax(W ln p + b), where the
/// probability of one class can also be judged by those of the others.
/// </summary>
public sealed class DirichletCalibrator : MulticlassCalibrator
{
    private readonly double[] _weights;
    private readonly double[] _bias;
    private readonly bool _isIdentity;

    internal DirichletCalibrator(double[] weights, double[] bias)
        : base(bias.Length)
    {
        (_weights, _bias) = (weights, bias);
        _isIdentity = weights.AsSpan().SequenceEqual(Identity(bias.Length)) && Array.TrueForAll(bias, value => value == 0);
        Weights = Array.AsReadOnly([.. Enumerable.Range(0, bias.Length).Select(row =>
            (IReadOnlyList<double>)new ReadOnlyCollection<double>(new ArraySegment<double>(weights, row * bias.Length, bias.Length)))]);
    }

    /// <summary>W: <c>Weights[i][j]</c> is what ln p_j counts in the logit of class i. The identity matrix where nothing changed.</summary>
    public IReadOnlyList<IReadOnlyList<double>> Weights { get; }

    /// <summary>b: e^b is the factor on the odds of the class; 0 where nothing changed.</summary>
    public IReadOnlyList<double> Bias => Array.AsReadOnly(_bias);

    internal static double[] Identity(int numberOfClasses)
    {
        double[] weights = new double[numberOfClasses * numberOfClasses];
        for (int k = 0; k < numberOfClasses; k++)
            weights[k * (numberOfClasses + 1)] = 1;
        return weights;
    }

    /// <summary>W x + b.</summary>
    internal static void Transform(ReadOnlySpan<double> weights, ReadOnlySpan<double> bias, ReadOnlySpan<double> input, Span<double> output)
    {
        for (int k = 0; k < output.Length; k++)
            output[k] = TensorPrimitives.Dot(weights.Slice(k * input.Length, input.Length), input) + bias[k];
    }

    internal override void Apply(ReadOnlySpan<float> scores, ScoreKind kind, Span<float> destination)
    {
        if (_isIdentity)
        {
            ScoreRow.Probabilities(scores, kind, destination);
            return;
        }

        double[] rented = ArrayPool<double>.Shared.Rent(2 * NumberOfClasses);
        Span<double> logarithms = rented.AsSpan(0, NumberOfClasses), logits = rented.AsSpan(NumberOfClasses, NumberOfClasses);
        ScoreRow.Logarithms(scores, kind, Floor, logarithms);
        Transform(_weights, _bias, logarithms, logits);
        LogProbabilities.Write(logits, destination);
        ArrayPool<double>.Shared.Return(rented);
    }

    internal static CalibratorKind FileKind { get; } = new(Tag: 3, Read);

    internal override CalibratorKind Kind => FileKind;

    internal override string AddTo(OnnxGraphWriter graph, string probabilities) =>
        _isIdentity ? probabilities : CalibratorGraph.Linear(graph, probabilities, _weights, _bias, Floor);

    internal override MulticlassCalibrator Unchanged() =>
        new DirichletCalibrator(Identity(NumberOfClasses), new double[NumberOfClasses]);

    internal override void Write(BinaryWriter writer)
    {
        WriteAll(writer, _weights);
        WriteAll(writer, _bias);
    }

    private static DirichletCalibrator Read(CalibratorReader reader) => new(
        reader.FiniteArray((long)reader.NumberOfClasses * reader.NumberOfClasses, "matrix"),
        reader.FiniteArray(reader.NumberOfClasses, "bias")) { Floor = reader.Floor };
}
