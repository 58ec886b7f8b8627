using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The columns that a decision is made of and written to.</summary>
internal sealed record DecisionColumns(string LabelColumnName, string ScoreColumnName, string OutputColumnName, ScoreKind ScoreKind)
{
    /// <summary>What to do with one row.</summary>
    public delegate void RowAction(ReadOnlySpan<float> probabilities, int label);

    /// <summary>What the rows of Fit belong to; null where they are independent. It is not saved: only Fit needs it.</summary>
    public string? ClusterColumnName { get; init; }

    /// <summary>What follows a number of fitted rows in messages.</summary>
    public string OneOfEach => ClusterColumnName is null ? "" : $" (one of each cluster in column '{ClusterColumnName}')";

    /// <summary>The column of set sizes.</summary>
    public string SizeColumnName => OutputColumnName + "Size";

    /// <summary>Checks the shapes of the inputs; returns that of the scores.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of another type.</exception>
    public SchemaShape.Column Check(SchemaShape input)
    {
        LabelColumn.Check(NamedColumn.Find(input, LabelColumnName, "label"));
        SchemaShape.Column score = NamedColumn.Find(input, ScoreColumnName, "score");
        ScoreColumns.CheckScore(score);
        if (ClusterColumnName is not null)
            CodedColumn.CheckClusters(input, ClusterColumnName);
        return score;
    }

    /// <summary>Goes through the rows that have a label, as probabilities: all, or one of each cluster. The others are
    /// reported.</summary>
    /// <exception cref="InvalidOperationException">No row has a label, or scores are not what they should be; the message names the
    /// row.</exception>
    public void Read(IDataView data, LabelledScores scores, IHost host, IChannel channel, int seed, RowAction action)
    {
        CodedColumn? clusters = ClusterColumnName is null ? null : CodedColumn.Clusters(data.Schema, ClusterColumnName);
        var ofClusters = new OneRowOfEachCluster(seed);
        (long rows, long withoutLabel) = LabelledProbabilities.Read(data, scores, ScoreKind, host, channel, (row, label, cluster) =>
        {
            if (clusters is null)
                action(row, label);
            else
                ofClusters.Add(row, label, cluster);
        }, clusters);
        LabelledProbabilities.CheckAny(rows, withoutLabel, LabelColumnName, "decision");
        ofClusters.ForEach((row, label) => action(row, label));
    }

    /// <inheritdoc cref="ScoreColumns.FindFitted"/>
    public (DataViewSchema.Column Score, int[]? Places) FindScore(DataViewSchema input, int numberOfClasses, LabelValues? classes) =>
        ScoreColumns.FindFitted(input, ScoreColumnName, numberOfClasses, classes, "decision");
}
