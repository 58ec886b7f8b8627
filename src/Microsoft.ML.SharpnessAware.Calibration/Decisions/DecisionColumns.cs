using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The columns that a decision is made of and written to.</summary>
internal sealed record DecisionColumns(string LabelColumnName, string ScoreColumnName, string OutputColumnName, ScoreKind ScoreKind)
{
    /// <summary>The column of set sizes.</summary>
    public string SizeColumnName => OutputColumnName + "Size";

    /// <summary>Checks the shapes of the inputs; returns that of the scores.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of another type.</exception>
    public SchemaShape.Column Check(SchemaShape input)
    {
        LabelColumn.Check(NamedColumn.Find(input, LabelColumnName, "label"));
        SchemaShape.Column score = NamedColumn.Find(input, ScoreColumnName, "score");
        ScoreColumns.CheckScore(score);
        return score;
    }

    /// <summary>Goes through all rows that have a label, as probabilities; the others are reported.</summary>
    /// <exception cref="InvalidOperationException">No row has a label, or scores are not what they should be; the message names the
    /// row.</exception>
    public void Read(
        IDataView data, LabelledScores scores, IHost host, IChannel channel, LabelledProbabilities.RowAction action)
    {
        (long rows, long withoutLabel) = LabelledProbabilities.Read(data, scores, ScoreKind, host, channel, action);
        LabelledProbabilities.CheckAny(rows, withoutLabel, LabelColumnName, "decision");
    }

    /// <inheritdoc cref="ScoreColumns.FindFitted"/>
    public (DataViewSchema.Column Score, int[]? Places) FindScore(DataViewSchema input, int numberOfClasses, LabelValues? classes) =>
        ScoreColumns.FindFitted(input, ScoreColumnName, numberOfClasses, classes, "decision");
}
