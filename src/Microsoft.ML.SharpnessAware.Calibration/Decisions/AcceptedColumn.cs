using System.Numerics.Tensors;
using Microsoft.ML.Data;

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
