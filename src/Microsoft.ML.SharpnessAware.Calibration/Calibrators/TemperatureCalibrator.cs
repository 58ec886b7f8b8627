using System.Buffers;
using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Temperature scaling (<see href="https://arxiv.org/abs/1706.04599">Guo et al. 2017</see>): p' = softmax(ln p / T).
/// </summary>
public sealed class TemperatureCalibrator : MulticlassCalibrator
{
    internal TemperatureCalibrator(int numberOfClasses, double temperature)
        : base(numberOfClasses) => Temperature = temperature;

    /// <summary>T, from 0.01 to 100, of logits up to 1,000: above 1 the model was overconfident, below 1 not confident enough; 1 changes
    /// nothing.</summary>
    public double Temperature { get; }

    internal override bool KeepsPrediction => true;

    internal override void Apply(ReadOnlySpan<float> scores, ScoreKind kind, Span<float> destination)
    {
        if (Temperature == 1)
        {
            ScoreRow.Probabilities(scores, kind, destination);
            return;
        }

        int predicted = TensorPrimitives.IndexOfMax(scores);
        double[] rented = ArrayPool<double>.Shared.Rent(NumberOfClasses);
        Span<double> logarithms = rented.AsSpan(0, NumberOfClasses);
        ScoreRow.Logarithms(scores, kind, Floor, logarithms);
        Softmax.Apply(logarithms, Temperature, predicted, destination);
        ArrayPool<double>.Shared.Return(rented);
    }

    internal static CalibratorKind FileKind { get; } = new(Tag: 0, Read);

    internal override CalibratorKind Kind => FileKind;

    internal override string AddTo(OnnxGraphWriter graph, string probabilities) =>
        CalibratorGraph.Temperature(graph, probabilities, Temperature, Floor);

    internal override MulticlassCalibrator Unchanged() => new TemperatureCalibrator(NumberOfClasses, 1);

    internal override void Write(BinaryWriter writer) => writer.Write(Temperature);

    private static TemperatureCalibrator Read(CalibratorReader reader) =>
        new(reader.NumberOfClasses, reader.Temperature()) { Floor = reader.Floor };
}
