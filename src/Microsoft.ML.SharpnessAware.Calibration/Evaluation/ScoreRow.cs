using System.Globalization;
using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>One row of a score column, whatever its values are.</summary>
internal static class ScoreRow
{
    /// <summary>Makes probabilities of the row where it holds logits, in place; says what is wrong with it where it holds
    /// neither.</summary>
    /// <returns>Null, or a clause: "has the negative score -0.2 for class 3".</returns>
    public static string? ToProbabilities(Span<float> row, ScoreKind kind)
    {
        if (kind == ScoreKind.Probabilities)
            return ProbabilityRow.Problem(row);
        float largest = TensorPrimitives.Max<float>(row);       // NaN if any score is
        if (!float.IsFinite(largest))
            return float.IsNaN(largest) ? "has a score that is not a number (NaN)"
                : string.Create(CultureInfo.InvariantCulture, $"has {largest} as its largest score");
        Softmax.Apply(row, 1, row);
        return null;
    }

    /// <summary>What to throw for a row with a problem.</summary>
    public static InvalidOperationException Unusable(string columnName, ScoreKind kind, long row, string problem) => new(
        kind == ScoreKind.Logits
            ? $"Column '{columnName}' must hold logits, but row {row} (counted from 0) {problem}. Leave out rows without scores."
            : $"Column '{columnName}' must hold class probabilities, but row {row} (counted from 0) {problem}. If these are logits, " +
                "which softmax "
                + $"makes probabilities of, say so by scoreKind: ScoreKind.{nameof(ScoreKind.Logits)}; leave out rows without scores.");
}
