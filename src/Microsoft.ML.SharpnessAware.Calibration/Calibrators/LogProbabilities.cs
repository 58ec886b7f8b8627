using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>From one row of probabilities to logarithms in double, and back.</summary>
internal static class LogProbabilities
{
    /// <summary>The logarithm of the smallest float32. A float32 probability of 0 is one that is smaller than that.</summary>
    public static readonly float Smallest = MathF.Log(float.Epsilon);

    /// <summary>ln p.</summary>
    public static void Read(ReadOnlySpan<float> probabilities, Span<double> logarithms)
    {
        TensorPrimitives.ConvertTruncating(probabilities, logarithms);
        TensorPrimitives.Max(logarithms, float.Epsilon, logarithms);
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
