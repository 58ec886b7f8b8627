using System.Numerics;
using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Decides whether one row of scores is a probability distribution over the classes.</summary>
internal static class ProbabilityRow
{
    /// <summary>
    /// How far from 1 a row may sum. Softmax in float32 stays within 1e-5, in half precision within 1e-3, and probabilities that were
    /// rounded to two decimals within about this; logits and unnormalised one-versus-all scores do not.
    /// </summary>
    public const double SumTolerance = 0.01;

    /// <summary>How far above 1 a single score may lie; rounding only.</summary>
    public const float ExcessTolerance = 1e-4f;

    /// <summary>Whether the row is a distribution.</summary>
    public static bool IsValid(ReadOnlySpan<float> scores)
    {
        // NaN and infinity show in the sum, whatever minimum and maximum make of them.
        Vector<float> minima = Vector<float>.Zero;
        Vector<float> maxima = Vector<float>.Zero;
        Vector<float> sums = Vector<float>.Zero;
        int k = 0;
        for (; k <= scores.Length - Vector<float>.Count; k += Vector<float>.Count)
        {
            Vector<float> values = new(scores[k..]);
            minima = Vector.Min(minima, values);
            maxima = Vector.Max(maxima, values);
            sums += values;
        }

        bool inRange = Vector.GreaterThanOrEqualAll(minima, Vector<float>.Zero)
            && Vector.LessThanOrEqualAll(maxima, new Vector<float>(1 + ExcessTolerance));
        float sum = Vector.Sum(sums);
        for (; k < scores.Length; k++)
        {
            inRange &= scores[k] >= 0 && scores[k] <= 1 + ExcessTolerance;
            sum += scores[k];
        }

        return inRange && HasUnitSum(sum);
    }

    /// <summary>Null if the row is a distribution, otherwise what is wrong with it as a clause: "has the negative score -0.2 for class
    /// 3".</summary>
    public static string? Problem(ReadOnlySpan<float> scores)
    {
        if (IsValid(scores))
            return null;
        float minimum = TensorPrimitives.Min(scores);       // NaN if any score is
        if (float.IsNaN(minimum))
            return $"has a score that is not a number (NaN) for class {IndexOfNaN(scores)}";
        if (minimum < 0)
            return Invariant($"has the negative score {minimum:G6} for class {TensorPrimitives.IndexOfMin(scores)}");
        int largest = TensorPrimitives.IndexOfMax(scores);
        if (scores[largest] <= 1 + ExcessTolerance)
            return Invariant($"has scores that sum to {TensorPrimitives.Sum(scores):G6}, not 1");
        return Invariant($"has the score {scores[largest]:G6}, more than 1, for class {largest}");
    }

    private static bool HasUnitSum(float sum) => Math.Abs(sum - 1) <= SumTolerance + 1e-6;

    private static int IndexOfNaN(ReadOnlySpan<float> scores)
    {
        int index = 0;
        while (!float.IsNaN(scores[index]))
            index++;
        return index;
    }
}
