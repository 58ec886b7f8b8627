using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Summary;

/// <summary>Rows beside others with the same keys.</summary>
internal static class Pairs
{
    /// <summary>What each row has more of a measure than the row of the others with the same keys; a row without such a one is left
    /// out.</summary>
    public static IEnumerable<double> Less(
        this IEnumerable<ResultRow> rows, IEnumerable<ResultRow> others, Measure measure, params string[] keys)
    {
        Dictionary<string, double> other = others.ToDictionary(KeyOf, row => row.Number(measure.Column));
        return from row in rows
               where other.ContainsKey(KeyOf(row))
               select row.Number(measure.Column) - other[KeyOf(row)];

        string KeyOf(ResultRow row) => string.Join(',', keys.Select(key => row[key]));
    }

    /// <summary>The mean of differences with its interval; a dash where there are none.</summary>
    public static string Text(this IEnumerable<double> differences, Measure measure) => differences.ToArray() is { Length: > 0 } some
        ? Estimate.Of(some).Difference(measure.Factor, measure.Decimals) : "–";
}
