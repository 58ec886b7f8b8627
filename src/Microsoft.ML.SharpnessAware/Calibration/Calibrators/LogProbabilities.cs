using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>From one row of probabilities to logarithms in double, and back.</summary>
internal static class LogProbabilities
{
    /// <summary>ln p; a probability below the smallest that the metrics' log loss tells from 0 counts as that.</summary>
    public static void Read(ReadOnlySpan<float> probabilities, Span<double> logarithms)
    {
        TensorPrimitives.ConvertTruncating(probabilities, logarithms);
        TensorPrimitives.Max(logarithms, CalibrationAccumulator.SmallestProbability, logarithms);
        TensorPrimitives.Log<double>(logarithms, logarithms);
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
