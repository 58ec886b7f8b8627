using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Counts, in one pass, how often sets hold the label.</summary>
internal static class PredictionSetEvaluator
{
    public static PredictionSetMetrics Evaluate(IHostEnvironment environment, IDataView data, string labelColumnName,
        string predictionSetColumnName, string? clusterColumnName)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentException.ThrowIfNullOrEmpty(labelColumnName);
        ArgumentException.ThrowIfNullOrEmpty(predictionSetColumnName);
        IHost host = environment.Register(nameof(PredictionSetEvaluator));
        using IChannel channel = host.Start("Evaluating prediction sets");
        LabelColumn label = LabelColumn.Bind(data.Schema, labelColumnName);
        SetColumn sets = SetColumn.Bind(data.Schema, predictionSetColumnName, $"Label column '{labelColumnName}'",
            LabelValues.Of(label.Column), label.NumberOfClasses);
        CodedColumn? clusters = clusterColumnName is null ? null : CodedColumn.Clusters(data.Schema, clusterColumnName);

        SkippedRowCounter withoutLabel = new();
        using DataViewRowCursor cursor = LazyCursor.Open(data,
            clusters is null ? [label.Column, sets.Column] : [label.Column, sets.Column, clusters.Column]);
        ValueGetter<ulong> getLabel = RowCursorUtils.GetGetterAs<ulong>(NumberDataViewType.UInt64, cursor, label.Column.Index);
        Func<int, int> readSet = sets.Open(cursor);
        Func<int, int> readCluster = clusters?.Open(cursor) ?? (_ => -1);
        var source = new SourceRow(cursor);
        long rows = 0;
        while (cursor.MoveNext())
        {
            host.CheckAlive();
            ulong value = 0;
            getLabel(ref value);
            if (value == 0 || value > (ulong)label.NumberOfClasses)
            {
                withoutLabel.Add(cursor.Position, source.Number);
                continue;
            }

            int k = (int)value - 1;
            sets.Count(k, readSet(k), readCluster(k));
            rows++;
        }

        withoutLabel.Report(channel, $"the label column '{labelColumnName}' is missing or unknown");
        return rows > 0
            ? sets.GetMetrics(withoutLabel.Count)
            : throw new InvalidOperationException(withoutLabel.Count == 0 ? "The data has no rows to evaluate."
                : $"None of the {withoutLabel.Count} row(s) has a known label in column '{labelColumnName}'.");
    }
}
