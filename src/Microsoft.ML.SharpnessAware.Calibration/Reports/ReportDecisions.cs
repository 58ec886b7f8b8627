using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The prediction sets and the abstention of a model that is added to a report, read along with its scores.</summary>
/// <param name="setColumnName">The sets; null for "PredictionSet" if it holds such, empty for none.</param>
/// <param name="acceptedColumnName">Whether rows are accepted; null for "Accepted" if that is Boolean, empty for none.</param>
/// <param name="numberOfExamples">How many of the largest sets to keep.</param>
internal sealed class ReportDecisions(string? setColumnName, string? acceptedColumnName, int numberOfExamples)
{
    private const string UsualSets = "PredictionSet";
    private const string UsualAccepted = "Accepted";

    private readonly LargestSets _largest = new(numberOfExamples);
    private SetColumn? _sets;
    private AcceptedColumn? _accepted;

    public IReadOnlyList<LargeSet> Largest => _sets is null ? [] : _largest.Sets;

    public IReadOnlyList<string> SetClasses => _sets?.ClassNames ?? [];

    /// <exception cref="ArgumentOutOfRangeException">A column that was named is missing or of another type or of other
    /// classes.</exception>
    public IReadOnlyList<ISideColumn> Bind(DataViewSchema schema, LabelledScores scores)
    {
        string? sets = setColumnName ?? (schema.GetColumnOrNull(UsualSets)?.Type is VectorDataViewType { ItemType: KeyDataViewType }
            ? UsualSets : null);
        if (!string.IsNullOrEmpty(sets))
            _sets = SetColumn.Bind(schema, sets, $"Score column '{scores.Score.Name}'", scores.Classes, scores.NumberOfClasses, _largest);
        string? accepted = acceptedColumnName
            ?? (schema.GetColumnOrNull(UsualAccepted)?.Type is BooleanDataViewType ? UsualAccepted : null);
        if (!string.IsNullOrEmpty(accepted))
            _accepted = AcceptedColumn.Bind(schema, accepted);
        return [.. new ISideColumn?[] { _sets, _accepted }.OfType<ISideColumn>()];
    }

    public void Add(int label, ReadOnlySpan<float> probabilities, ReadOnlySpan<int> sides, int cluster)
    {
        _sets?.Count(label, sides[0], cluster);
        _accepted?.Count(label, probabilities, sides[^1], cluster);
    }

    public PredictionSetMetrics? SetMetrics(long skippedRows) => _sets?.GetMetrics(skippedRows);

    public AbstentionMetrics? AbstentionMetrics(long skippedRows) => _accepted?.GetMetrics(skippedRows);
}
