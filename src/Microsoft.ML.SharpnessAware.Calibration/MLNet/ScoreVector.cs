using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The scores of one row, as ML.NET gives them.</summary>
/// <remarks>ML.NET does not see to it that a row has as many as the type of their column says, and copies fewer or none without a word: the
/// others would be those of an earlier row.</remarks>
internal static class ScoreVector
{
    /// <summary>Copies the scores, dense or sparse, where there are as many as the row takes.</summary>
    /// <returns>Whether there are.</returns>
    public static bool TryCopy(in VBuffer<float> scores, Span<float> row)
    {
        if (scores.Length != row.Length)
            return false;
        if (scores.IsDense)
            scores.GetValues().CopyTo(row);
        else
            scores.CopyTo(row);
        return true;
    }

    /// <summary>What to throw for scores that <see cref="TryCopy"/> does not take.</summary>
    public static InvalidOperationException OfOtherLength(DataViewSchema.Column column, long row, in VBuffer<float> scores) => new(
        $"Column '{column.Name}' must hold {ScoreColumns.NumberOfClasses(column)} scores in each row, as its type says, but row {row} "
        + $"(counted from 0) has {scores.Length}. Leave out rows without scores, for example with mlContext.Data.FilterByCustomPredicate.");
}
