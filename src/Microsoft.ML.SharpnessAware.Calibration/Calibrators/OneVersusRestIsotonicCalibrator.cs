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
    // What two ways of computing the same probability may differ by.
    private const double Rounding = 4e-7;

    // ML.NET's calibrator returns this instead of 0.
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

    // Of logits what float32 makes of them is calibrated: the steps are of probabilities.
    internal override void Apply(ReadOnlySpan<float> scores, ScoreKind kind, Span<float> destination)
    {
        ScoreRow.Probabilities(scores, kind, destination);
        Apply(destination);
    }

    private void Apply(Span<float> row)
    {
        double[] rented = ArrayPool<double>.Shared.Rent(2 * NumberOfClasses);
        Span<double> q = rented.AsSpan(0, NumberOfClasses), scaled = rented.AsSpan(NumberOfClasses, NumberOfClasses);
        bool any = ModelWeight < 1 && TryApplyPerClass(row, q);
        TemperatureScaling.Apply(row, Temperature, row, Floor);
        if (ModelWeight < 1)
        {
            TensorPrimitives.ConvertTruncating<float, double>(row, scaled);
            if (Temperature == 1)
                TensorPrimitives.Max(scaled, Floor, scaled);        // which left the row as it was
            TensorPrimitives.Multiply(scaled, (any ? ModelWeight : 1) / TensorPrimitives.Sum<double>(scaled), scaled);
            if (any)
                TensorPrimitives.MultiplyAdd(q, 1 - ModelWeight, scaled, scaled);
            TensorPrimitives.ConvertTruncating<double, float>(scaled, row);
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

    internal override string AddTo(OnnxGraphWriter graph, string probabilities)
    {
        string scaled = CalibratorGraph.Temperature(graph, probabilities, Temperature, Floor);
        if (ModelWeight == 1)
            return scaled;

        if (Temperature == 1)
            scaled = graph.Node("Max", [scaled, graph.Constant([Floor], 1)]);
        scaled = graph.Node("Div", [scaled, graph.Sum(scaled, 1)]);
        string f = AddPerClass(graph, probabilities), sum = graph.Sum(f, 1);
        string q = graph.Node("Div", [f, graph.Node("Max", [sum, graph.Constant([double.Epsilon], 1)])]);
        string own = graph.Node("Mul", [scaled, graph.Constant([ModelWeight], 1)]);
        string mixed = graph.Node("Add", [graph.Node("Mul", [q, graph.Constant([1 - ModelWeight], 1)]), own]);
        return graph.Node("Where", [graph.Node("Greater", [sum, graph.Constant([0.0], 1)]), mixed, scaled]);
    }

    // f_k rises from its first value between one piece and the next: a sum of ramps, as many for each class, of height 0 where there are
    // fewer.
    // A piece ends at a score that was seen, and the next may begin a millionth above it. The graph's scores differ from those in their
    // last bits,
    // so each ramp keeps a little off its ends: a score that was seen stays on its piece.
    private string AddPerClass(OnnxGraphWriter graph, string probabilities)
    {
        long classes = NumberOfClasses, ramps = Math.Max(1, _perClass.Max(piece => piece.Values.Length - 1));
        double[] first = new double[classes], starts = new double[classes * ramps], widths = new double[classes * ramps];
        double[] slopes = new double[classes * ramps];
        for (int k = 0; k < classes; k++)
        {
            IsotonicCalibrator f = _perClass[k];
            first[k] = Value(f.Values[0]);
            for (int i = 1; i < f.Values.Length; i++)
            {
                long at = (k * ramps) + i - 1;
                double gap = (double)f.Mins[i] - f.Maxes[i - 1], margin = Math.Min(Rounding, gap / 4);
                (starts[at], widths[at]) = (f.Maxes[i - 1] + margin, gap - (2 * margin));
                slopes[at] = (Value(f.Values[i]) - Value(f.Values[i - 1])) / widths[at];
            }
        }

        string each = graph.Node("Reshape", [probabilities, graph.Vector(-1, classes, 1)]);
        string above = graph.Node("Max", [graph.Node("Sub", [each, graph.Constant(starts, 1, classes, ramps)]), graph.Constant([0.0], 1)]);
        string inside = graph.Node("Min", [above, graph.Constant(widths, 1, classes, ramps)]);
        string rise = graph.Sum(graph.Node("Mul", [inside, graph.Constant(slopes, 1, classes, ramps)]), 2);
        return graph.Node("Add", [graph.Node("Reshape", [rise, graph.Vector(-1, classes)]), graph.Constant(first, 1, classes)]);

        static double Value(float value) => value > Zero ? value : 0;
    }

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
