using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>From one row of probabilities to logarithms in double, and back.</summary>
/// <remarks>
/// No probability counts as less than <see cref="Floor"/>. A model that says 0 has rounded: the sum of a row is known to 2⁻²³, so what is
/// smaller cannot be told from that, and the logarithm of 0 would let a single wrong row decide everything (scikit-learn adds the same
/// resolution before it takes logarithms). The rule is the same for fitting a calibrator, for judging the fit, and for applying it.
/// </remarks>
internal static class LogProbabilities
{
    /// <summary>The floor of version 0.1.0, the smallest float32: calibrators that were saved by it are applied with it.</summary>
    public const double EarlierFloor = float.Epsilon;

    /// <summary>
    /// 2⁻²² / K: the resolution of float32 where there are two classes, and with more of them divided so that the floors of a row
    /// together weigh no more than these two do. With the same floor for each of 1,000 classes a temperature of 2 would take a third from a
    /// row that is certain.
    /// </summary>
    public static double Floor(int numberOfClasses) => Math.ScaleB(1, -22) / numberOfClasses;

    /// <summary>
    /// The same for logits that ask for a temperature: <see cref="Floor"/> to its power, so that a row that is certain and wrong weighs 16
    /// nats with it, and not before. Logits have not rounded, and may be many times too large; a difference beyond all others, and −∞, is a
    /// class that is masked, and must not decide everything. At least 2⁻¹⁰²², the smallest normal double.
    /// </summary>
    public static double FloorOfLogits(int numberOfClasses, double temperature) =>
        Math.Max(Math.ScaleB(1, -1022), Math.Pow(Floor(numberOfClasses), Math.Max(1, temperature)));

    /// <summary>ln max(p, floor).</summary>
    public static void Read(ReadOnlySpan<float> probabilities, double floor, Span<double> logarithms)
    {
        TensorPrimitives.ConvertTruncating(probabilities, logarithms);
        TensorPrimitives.Max(logarithms, floor, logarithms);
        TensorPrimitives.Log<double>(logarithms, logarithms);
    }

    /// <summary>The same for p = softmax of logits, whose largest is finite; without the rounding of p.</summary>
    public static void OfLogits(ReadOnlySpan<float> logits, double floor, Span<double> logarithms)
    {
        TensorPrimitives.ConvertTruncating(logits, logarithms);
        TensorPrimitives.Subtract(logarithms, TensorPrimitives.Max<double>(logarithms), logarithms);
        CompensatedSum sum = default;
        foreach (double shifted in logarithms)
            sum.Add(Math.Exp(shifted));
        TensorPrimitives.Subtract(logarithms, Math.Log(sum.Value), logarithms);
        TensorPrimitives.Max(logarithms, Math.Log(floor), logarithms);
    }

    /// <summary>Softmax; uses up the logits.</summary>
    public static void Write(Span<double> logits, Span<float> probabilities)
    {
        TensorPrimitives.Subtract(logits, TensorPrimitives.Max<double>(logits), logits);
        TensorPrimitives.Exp<double>(logits, logits);
        TensorPrimitives.Divide(logits, TensorPrimitives.Sum<double>(logits), logits);
        TensorPrimitives.ConvertTruncating<double, float>(logits, probabilities);
    }
}
