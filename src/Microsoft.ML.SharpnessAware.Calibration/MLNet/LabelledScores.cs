using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The label and the scores of a scored view, bound to each other. This is the one place that decides which score is that of the label.
/// </summary>
/// <remarks>
/// Classes are matched by name where both columns have names: the label its key values, the scores the values that the model was trained
/// on (TrainingLabelValues, else SlotNames), as text. The label may then have its keys in another order than the scores, or lack classes;
/// a class that the scores do not have is refused. Where names are missing, key k is score k, and there must be as many of both; where
/// one side has them, nothing tells whether the other has that order, and a warning says what was taken for what.
/// </remarks>
internal sealed class LabelledScores
{
    private const int MostPairsShown = 10;

    private readonly int _numberOfKeys;       // that of the classes, or fewer
    private readonly int[]? _places;
    private readonly string? _doubt;

    private LabelledScores(DataViewSchema.Column label, DataViewSchema.Column score, LabelValues? classes, int numberOfKeys, int[]? places,
        string? doubt = null)
    {
        Label = label;
        Score = score;
        Classes = classes;
        _numberOfKeys = numberOfKeys;
        _places = places;
        _doubt = doubt;
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
        {
            return ByPlace(score, label, LabelValues.OfScores(score), LabelValues.OfScores(score) is LabelValues ofScores
                ? $"The keys in label column '{labelColumnName}' have no class names; they are taken as those of '{scoreColumnName}' in "
                    + $"order: {Pairs("key", 1, ofScores)}. If they are not, make the label by MapValueToKey of the names."
                : null);
        }

        if (LabelValues.OfScores(score, labels) is not LabelValues classes)
        {
            return ByPlace(score, label, labels, $"The scores in '{scoreColumnName}' have no class names; they are taken as those of "
                + $"label column '{labelColumnName}' in order: {Pairs("score", 0, labels)}. If they are not, make the label by "
                + "MapValueToKey with the classes in the order of the scores as keyData.");
        }

        return ClassOrder.Match(labels.Names, classes.Names, out int[]? places) is not string problem
            ? new LabelledScores(label.Column, score, classes, label.NumberOfClasses, places)
            : throw new ArgumentOutOfRangeException(nameof(schema),
                $"Label column '{labelColumnName}' does not go with score column '{scoreColumnName}': it {problem}. "
                + (LabelValues.AreSlotNames(score)
                    ? $"These names come from the slots of '{scoreColumnName}' (the header of a file, or the inputs of Concatenate), and "
                        + $"must be the names of the classes, or these with '{scoreColumnName}.' in front."
                    : "Make the label with the MapValueToKey transformer that the model was trained with: rows of other classes then have "
                        + "a missing label, and are left out."));
    }

    /// <summary>Warns where only one of the columns has names.</summary>
    public void Report(IChannel channel)
    {
        if (_doubt is not null)
            channel.Warning(_doubt);
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

    private static LabelledScores ByPlace(DataViewSchema.Column score, LabelColumn label, LabelValues? classes, string? doubt = null)
    {
        int numberOfClasses = ScoreColumns.NumberOfClasses(score);
        return label.NumberOfClasses == numberOfClasses
            ? new LabelledScores(label.Column, score, classes, numberOfClasses, null, doubt)
            : throw new ArgumentOutOfRangeException("schema",
                $"Label column '{label.Column.Name}' has {label.NumberOfClasses} keys, but score column '{score.Name}' {numberOfClasses} "
                + "scores. Make the label with the MapValueToKey transformer that the model was trained with.");
    }

    private static string Pairs(string what, int first, LabelValues classes) =>
        string.Join(", ", classes.Names.Take(MostPairsShown).Select((name, k) => $"{what} {first + k} = '{PrintableText.Of(name)}'"))
        + (classes.Names.Count > MostPairsShown ? ", …" : "");
}
