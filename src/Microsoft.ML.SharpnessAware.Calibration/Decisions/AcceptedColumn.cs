using System.Numerics.Tensors;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A column that says which rows are accepted, read beside labels and scores; it counts what it reads.</summary>
internal sealed class AcceptedColumn : ISideColumn
{
    // [accepted, right]
    private readonly long[,] _counts = new long[2, 2];
    private (ClusterShare Accepted, ClusterShare[] Right)? _ofClusters;

    private AcceptedColumn(DataViewSchema.Column column) => Column = column;

    public DataViewSchema.Column Column { get; }

    /// <exception cref="ArgumentOutOfRangeException">The column is missing or not Boolean.</exception>
    public static AcceptedColumn Bind(DataViewSchema schema, string columnName)
    {
        DataViewSchema.Column column = NamedColumn.Find(schema, columnName, "accepted");
        return column.Type is BooleanDataViewType ? new AcceptedColumn(column) : throw new ArgumentOutOfRangeException(nameof(schema),
            $"Column '{columnName}': expected Boolean, whether each row is accepted; found {column.Type}.");
    }

    public static AbstentionMetrics Evaluate(
        IHostEnvironment environment, IDataView data, string labelColumnName, string scoreColumnName, string acceptedColumnName)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentException.ThrowIfNullOrEmpty(labelColumnName);
        ArgumentException.ThrowIfNullOrEmpty(scoreColumnName);
        ArgumentException.ThrowIfNullOrEmpty(acceptedColumnName);
        IHost host = environment.Register(nameof(AcceptedColumn));
        using IChannel channel = host.Start("Evaluating abstention");
        LabelledScores scores = LabelledScores.Bind(data.Schema, labelColumnName, scoreColumnName);
        AcceptedColumn accepted = Bind(data.Schema, acceptedColumnName);
        SkippedRowCounter withoutLabel = new(), withoutScore = new();
        float[] row = new float[scores.NumberOfClasses];
        using LabelledScoreCursor cursor = scores.OpenLazily(data, accepted.Column);
        Func<int, int> read = accepted.Open(cursor.Row);
        while (cursor.MoveNext())
        {
            host.CheckAlive();
            int label = cursor.ReadClass();
            if (label < 0)
            {
                withoutLabel.Add(cursor.Position, cursor.Number);
                continue;
            }

            cursor.ReadScores(row);
            if (!float.IsFinite(TensorPrimitives.Max<float>(row)))       // NaN if any is; of logits −∞ is one
            {
                withoutScore.Add(cursor.Position, cursor.Number);
                continue;
            }

            accepted.Count(label, row, read(label));
        }

        withoutLabel.Report(channel, $"the label column '{labelColumnName}' is missing or unknown");
        withoutScore.Report(channel, $"the score column '{scoreColumnName}' holds NaN or infinity");
        AbstentionMetrics metrics = accepted.GetMetrics(withoutLabel.Count + withoutScore.Count);
        return metrics.Count > 0 ? metrics : throw new InvalidOperationException(
            metrics.SkippedRows == 0 ? "The data has no rows to evaluate."
            : $"None of the {metrics.SkippedRows} row(s) has a known label in column '{labelColumnName}' and scores in " +
              $"'{scoreColumnName}'.");
    }

    public Func<int, int> Open(DataViewRow row)
    {
        ValueGetter<bool> get = row.GetGetter<bool>(Column);
        bool accepted = false;
        return _ =>
        {
            get(ref accepted);
            return accepted ? 1 : 0;
        };
    }

    /// <summary>Counts what <see cref="Open"/>'s function gave; ties go to the lowest class.</summary>
    public void Count(int label, ReadOnlySpan<float> scores, int accepted, int cluster = -1)
    {
        bool isRight = TensorPrimitives.IndexOfMax(scores) == label;
        _counts[accepted, isRight ? 1 : 0]++;
        if (cluster < 0)
            return;
        _ofClusters ??= (new ClusterShare(), [new ClusterShare(), new ClusterShare()]);
        _ofClusters.Value.Accepted.Add(cluster, accepted == 1);
        _ofClusters.Value.Right[accepted].Add(cluster, isRight);
    }

    public AbstentionMetrics GetMetrics(long skippedRows) =>
        new(_counts[1, 0] + _counts[1, 1], _counts[1, 1], _counts[0, 0] + _counts[0, 1], _counts[0, 1], skippedRows, _ofClusters)
        {
            AccuracyAsked = DecisionAnnotations.Find(Column, DecisionAnnotations.AccuracyAsked),
            ConfidenceAsked = DecisionAnnotations.Find(Column, DecisionAnnotations.ConfidenceAsked),
        };
}
