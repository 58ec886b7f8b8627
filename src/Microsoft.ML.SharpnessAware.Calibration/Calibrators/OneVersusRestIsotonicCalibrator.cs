using System.Buffers;
using System.Numerics.Tensors;
using Microsoft.ML.Calibrators;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Isotonic regression of each class against the rest (<see href="https://doi.org/10.1145/775047.775151">Zadrozny and Elkan 2002</see>):
/// q_k = f_k(p_k), renormalised, with non-decreasing f_k; then p' = (1 − w) q + w softmax(ln p / T), with a small weight w of the
/// temperature-scaled model.
/// </summary>
/// <remarks>
/// On its own, f_k gives 0 below the lowest score at which class k was ever seen: one such row later costs an infinite log loss, and
/// where all f_k are 0 there is nothing to renormalise. The second term keeps p' above 0, and such a row gets it alone.
/// </remarks>
public sealed class OneVersusRestIsotonicCalibrator : MulticlassCalibrator
{
    // ML.NET's calibrator returns this in place of 0.
    private const float Zero = 1e-15f;

    private readonly IsotonicCalibrator[] _perClass;

    internal OneVersusRestIsotonicCalibrator(IsotonicCalibrator[] perClass, double temperature, double modelWeight)
        : base(perClass.Length) => (_perClass, Temperature, ModelWeight) = (perClass, temperature, modelWeight);

    /// <summary>f, in class order: ML.NET's own calibrators, with the pieces that the pair-adjacent-violators algorithm left.</summary>
    public IReadOnlyList<IsotonicCalibrator> PerClass => Array.AsReadOnly(_perClass);

    /// <summary>T of the second term, at least 1.</summary>
    public double Temperature { get; }

    /// <summary>w, from 0 to 1; 1 leaves only the temperature.</summary>
    public double ModelWeight { get; }

    internal override void Apply(ReadOnlySpan<float> probabilities, Span<float> destination)
    {
        double[] rented = ArrayPool<double>.Shared.Rent(2 * NumberOfClasses);
        Span<double> q = rented.AsSpan(0, NumberOfClasses), scaled = rented.AsSpan(NumberOfClasses, NumberOfClasses);
        bool any = ModelWeight < 1 && TryApplyPerClass(probabilities, q);
        TemperatureScaling.Apply(probabilities, Temperature, destination, Floor);
        if (any)
        {
            TensorPrimitives.ConvertTruncating<float, double>(destination, scaled);
            TensorPrimitives.Multiply(scaled, ModelWeight / TensorPrimitives.Sum<double>(scaled), scaled);
            TensorPrimitives.MultiplyAdd(q, 1 - ModelWeight, scaled, q);
            TensorPrimitives.ConvertTruncating<double, float>(q, destination);
        }

        ArrayPool<double>.Shared.Return(rented);
    }

    /// <summary>q of one row; false where all f_k are 0.</summary>
    private bool TryApplyPerClass(ReadOnlySpan<float> probabilities, Span<double> q)
    {
        for (int k = 0; k < q.Length; k++)
        {
            float value = _perClass[k].PredictProbability(probabilities[k]);
            q[k] = value > Zero ? value : 0;
        }

        double sum = TensorPrimitives.Sum<double>(q);
        TensorPrimitives.Divide(q, sum, q);
        return sum > 0;
    }

    internal static CalibratorKind FileKind { get; } = new(Tag: 2, Read);

    internal override CalibratorKind Kind => FileKind;

    internal override MulticlassCalibrator Unchanged() => new OneVersusRestIsotonicCalibrator(_perClass, temperature: 1, modelWeight: 1);

    internal override void Write(BinaryWriter writer)
    {
        writer.Write(Temperature);
        writer.Write(ModelWeight);
        foreach (IsotonicCalibrator calibrator in _perClass)
        {
            writer.Write(calibrator.Values.Length);
            foreach (float value in (IEnumerable<float>)[.. calibrator.Mins, .. calibrator.Maxes, .. calibrator.Values])
                writer.Write(value);
        }
    }

    private static OneVersusRestIsotonicCalibrator Read(CalibratorReader reader)
    {
        double temperature = reader.Temperature();
        double modelWeight = reader.Finite("weight");
        if (modelWeight is < 0 or > 1)
            throw CalibratorReader.Damaged($"its weight is {modelWeight}");
        var perClass = new List<IsotonicCalibrator>();
        for (int k = 0; k < reader.NumberOfClasses; k++)
        {
            int pieces = reader.Count();
            float[] mins = reader.SingleArray(pieces, "pieces"), maxes = reader.SingleArray(pieces, "pieces");
            float[] values = reader.SingleArray(pieces, "pieces");
            if (!AreSteps(mins, maxes, values))
                throw CalibratorReader.Damaged($"the pieces of class {k} are not in order");
            perClass.Add(new IsotonicCalibrator(reader.Environment, [.. mins], [.. maxes], [.. values]));
        }

        return new([.. perClass], temperature, modelWeight) { Floor = reader.Floor };
    }

    private static bool AreSteps(float[] mins, float[] maxes, float[] values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            bool inOrder = mins[i] <= maxes[i] && values[i] is >= 0 and <= 1
                && (i == 0 || mins[i] > maxes[i - 1] && values[i] > values[i - 1]);
            if (!inOrder)       // also with NaN
                return false;
        }

        return values.Length > 0;
    }
}
