using System.Buffers;
using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>From logits to probabilities, softmax(z / T), so that rounding never makes another class the most probable.</summary>
internal static class Softmax
{
    /// <summary>The class of the largest logit gets the largest probability, however close two logits are; of equal logits the
    /// first.</summary>
    /// <param name="logits">One row of logits, the largest of them finite.</param>
    /// <param name="temperature">T, positive and finite.</param>
    /// <param name="destination">Receives the row; may be the same memory as <paramref name="logits"/>.</param>
    public static void Apply(ReadOnlySpan<float> logits, double temperature, Span<float> destination)
    {
        int predicted = TensorPrimitives.IndexOfMax(logits);
        double[] rented = ArrayPool<double>.Shared.Rent(logits.Length);
        Span<double> z = rented.AsSpan(0, logits.Length);
        TensorPrimitives.ConvertTruncating(logits, z);
        Apply(z, temperature, predicted, destination);
        ArrayPool<double>.Shared.Return(rented);
    }

    /// <summary>The same in double for logits whose largest is that of <paramref name="predicted"/>; uses them up.</summary>
    public static void Apply(Span<double> logits, double temperature, int predicted, Span<float> destination)
    {
        TensorPrimitives.Subtract(logits, TensorPrimitives.Max<double>(logits), logits);       // first, so that no quotient is ∞ − ∞
        TensorPrimitives.Divide(logits, temperature, logits);
        TensorPrimitives.Exp<double>(logits, logits);
        TensorPrimitives.Divide(logits, TensorPrimitives.Sum<double>(logits), logits);
        TensorPrimitives.ConvertTruncating<double, float>(logits, destination);

        // Two close values may round to the same float32; the lower index would then win.
        int largest = TensorPrimitives.IndexOfMax<float>(destination);
        if (largest != predicted && !float.IsNaN(destination[largest]))
            destination[predicted] = MathF.BitIncrement(destination[largest]);
    }
}
