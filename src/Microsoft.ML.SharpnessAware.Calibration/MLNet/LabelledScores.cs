namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The label and the scores of a scored view, bound to each other. This is the one place that decides which score is that of the label.
/// </summary>
/// <remarks>
/// Classes are matched by name where both columns have names: the label its key values, the scores the values that the model was trained
/// on (TrainingLabelValues, else SlotNames), as text. The label may then have its keys in another order than the scores, or lack classes;
/// a class that the scores do not have is refused. Where names are missing, key k is score k, and there must be as many of both.
/// </remarks>
internal sealed class LabelledScores
{
    private readonly int _numberOfKeys;       // that of the classes, or fewer
    private readonly int[]? _places;

    private LabelledScores(DataViewSchema.Column label, DataViewSchema.Column score, LabelValues? classes, int numberOfKeys, int[]? places)
    {
        Label = label;
        Score = score;
        Classes = classes;
        _numberOfKeys = numberOfKeys;
        _places = places;
    }

    public DataViewSchema.Column Label { get; }

    public DataViewSchema.Column Score { get; }

    public int NumberOfClasses => ScoreColumns.NumberOfClasses(Score);

    /// <summary>What the classes are, in the order of the scores; null where neither column says.</summary>
    public LabelValues? Classes { get; }

    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of another type, the numbers of label keys and scores differ,
    /// or the label has a class that the scores do not have.</exception>
    public static LabelledScores Bind(DataViewSchema schema, string labelColumnName, string scoreColumnName)
    {
        LabelColumn label = LabelColumn.Bind(schema, labelColumnName);
        DataViewSchema.Column score = ScoreColumns.FindScore(schema, scoreColumnName);
        if (LabelValues.Of(label.Column) is not LabelValues labels)
            return ByPlace(label, score, LabelValues.OfScores(score));
        if (LabelValues.OfScores(score) is not LabelValues classes)
            return ByPlace(label, score, labels);
        return ClassOrder.Match(labels.Names, classes.Names, out int[]? places) is not string problem
            ? new LabelledScores(label.Column, score, classes, label.NumberOfClasses, places)
            : throw new ArgumentOutOfRangeException(nameof(schema),
                $"Label column '{labelColumnName}' does not go with score column '{scoreColumnName}': it {problem}. Make the label with " +
                    "the "
                + "MapValueToKey transformer that the model was trained with: rows of other classes then have a missing label, and are " +
                    "left out.");
    }

    /// <summary>Reads both columns in one pass, and others with them.</summary>
    public LabelledScoreCursor Open(IDataView data, params IEnumerable<DataViewSchema.Column> others) =>
        new(data.GetRowCursor([Label, Score, .. others]), this);

    /// <summary>The same, where reading another column may fail, as a decision on a row without scores does: only what is read is
    /// computed.</summary>
    public LabelledScoreCursor OpenLazily(IDataView data, params IEnumerable<DataViewSchema.Column> others) =>
        new(LazyCursor.Open(data, [Label, Score, .. others]), this);

    /// <summary>The class that a key stands for, counted from 0; -1 for a missing label.</summary>
    public int ClassOf(ulong key) =>
        key == 0 || key > (ulong)_numberOfKeys ? -1 : _places is null ? (int)key - 1 : _places[key - 1];

    private static LabelledScores ByPlace(LabelColumn label, DataViewSchema.Column score, LabelValues? classes)
    {
        int numberOfClasses = ScoreColumns.NumberOfClasses(score);
        return label.NumberOfClasses == numberOfClasses
            ? new LabelledScores(label.Column, score, classes, numberOfClasses, null)
            : throw new ArgumentOutOfRangeException("schema",
                $"Label column '{label.Column.Name}' has {label.NumberOfClasses} keys, but score column '{score.Name}' {numberOfClasses} "
                + "scores. Make the label with the MapValueToKey transformer that the model was trained with.");
    }
}
