using System.Buffers;
using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Vector scaling (<see href="https://arxiv.org/abs/1706.04599">Guo et al. 2017</see>, on log-probabilities):
/// p' = softmax(a ∘ ln p + b) with a scale a_k and a bias b_k for each class.
/// </summary>
public sealed class VectorCalibrator : MulticlassCalibrator
{
    private readonly double[] _scale;
    private readonly double[] _bias;
    private readonly bool _isIdentity;

    internal VectorCalibrator(double[] scale, double[] bias)
        : base(scale.Length)
    {
        (_scale, _bias) = (scale, bias);
        _isIdentity = Array.TrueForAll(scale, value => value == 1) && Array.TrueForAll(bias, value => value == 0);
    }

    /// <summary>a: below 1 the class's log-probability counts for less than it claimed, above 1 for more; 1 where nothing
    /// changed.</summary>
    public IReadOnlyList<double> Scale => Array.AsReadOnly(_scale);

    /// <summary>b: e^b is the factor on the odds of the class; 0 where nothing changed. The biases sum to 0, or nearly so.</summary>
    public IReadOnlyList<double> Bias => Array.AsReadOnly(_bias);

    internal override void Apply(ReadOnlySpan<float> scores, ScoreKind kind, Span<float> destination)
    {
        if (_isIdentity)
        {
            ScoreRow.Probabilities(scores, kind, destination);
            return;
        }

        double[] rented = ArrayPool<double>.Shared.Rent(NumberOfClasses);
        Span<double> logits = rented.AsSpan(0, NumberOfClasses);
        ScoreRow.Logarithms(scores, kind, Floor, logits);
        TensorPrimitives.MultiplyAdd(logits, _scale, _bias, logits);
        LogProbabilities.Write(logits, destination);
        ArrayPool<double>.Shared.Return(rented);
    }

    internal static CalibratorKind FileKind { get; } = new(Tag: 1, Read);

    internal override CalibratorKind Kind => FileKind;

    internal override string AddTo(OnnxGraphWriter graph, string probabilities)
    {
        if (_isIdentity)
            return probabilities;
        string logarithms = CalibratorGraph.Logarithms(graph, probabilities, Floor);
        string scaled = graph.Node("Mul", [logarithms, graph.Constant(_scale, 1, NumberOfClasses)]);
        return graph.SoftmaxOfRows(graph.Node("Add", [scaled, graph.Constant(_bias, 1, NumberOfClasses)]));
    }

    internal override MulticlassCalibrator Unchanged()
    {
        double[] ones = new double[NumberOfClasses];
        Array.Fill(ones, 1);
        return new VectorCalibrator(ones, new double[NumberOfClasses]);
    }

    internal override void Write(BinaryWriter writer)
    {
        WriteAll(writer, _scale);
        WriteAll(writer, _bias);
    }

    private static VectorCalibrator Read(CalibratorReader reader) =>
        new(reader.FiniteArray(reader.NumberOfClasses, "scale"),
            reader.FiniteArray(reader.NumberOfClasses, "bias")) { Floor = reader.Floor };
}
