using System.Globalization;
using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>One row of a score column, whatever its values are.</summary>
internal static class ScoreRow
{
    /// <summary>Says what is wrong with a row that does not hold what it should.</summary>
    /// <returns>Null, or a clause: "has the negative score -0.2 for class 3".</returns>
    public static string? Problem(ReadOnlySpan<float> row, ScoreKind kind)
    {
        if (kind == ScoreKind.Probabilities)
            return ProbabilityRow.Problem(row);
        float largest = TensorPrimitives.Max<float>(row);       // NaN if any score is
        return float.IsFinite(largest) ? null
            : float.IsNaN(largest) ? "has a score that is not a number (NaN)"
                : string.Create(CultureInfo.InvariantCulture, $"has {largest} as its largest score");
    }

    /// <summary>Makes probabilities of the row where it holds logits, in place; says what is wrong with it where it holds
    /// neither.</summary>
    /// <returns>As <see cref="Problem"/>.</returns>
    public static string? ToProbabilities(Span<float> row, ScoreKind kind)
    {
        string? problem = Problem(row, kind);
        if (problem is null)
            Probabilities(row, kind, row);
        return problem;
    }

    /// <summary>The probabilities of a row without a <see cref="Problem"/>; the destination may be the same memory.</summary>
    public static void Probabilities(ReadOnlySpan<float> row, ScoreKind kind, Span<float> destination)
    {
        if (kind == ScoreKind.Logits)
            Softmax.Apply(row, 1, destination);
        else
            row.CopyTo(destination);
    }

    /// <summary>ln max(p, floor) of a row without a <see cref="Problem"/>. Logits need no p for it, which float32 would round to 0 or
    /// 1; so of probabilities the floor is never that of logits.</summary>
    public static void Logarithms(ReadOnlySpan<float> row, ScoreKind kind, double floor, Span<double> destination)
    {
        if (kind == ScoreKind.Logits)
            LogProbabilities.OfLogits(row, floor, destination);
        else
            LogProbabilities.Read(row, floor == LogProbabilities.EarlierFloor ? floor : Math.Max(floor, LogProbabilities.Floor(row.Length)),
                destination);
    }

    /// <summary>What to throw for a row with a problem.</summary>
    public static InvalidOperationException Unusable(string columnName, ScoreKind kind, long row, string problem) => new(
        kind == ScoreKind.Logits
            ? $"Column '{columnName}' must hold logits, but row {row} (counted from 0) {problem}. Leave out rows without scores."
            : $"Column '{columnName}' must hold class probabilities, but row {row} (counted from 0) {problem}. If these are logits, " +
                "which softmax "
                + $"makes probabilities of, say so by scoreKind: ScoreKind.{nameof(ScoreKind.Logits)}; leave out rows without scores.");
}
