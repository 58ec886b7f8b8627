using System.Numerics.Tensors;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Counts, in one pass, how many rows are accepted, and how many of them and of the others are right.</summary>
internal static class AbstentionEvaluator
{
    public static AbstentionMetrics Evaluate(IHostEnvironment environment, IDataView data, string labelColumnName, string scoreColumnName,
        string acceptedColumnName, string? clusterColumnName)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentException.ThrowIfNullOrEmpty(labelColumnName);
        ArgumentException.ThrowIfNullOrEmpty(scoreColumnName);
        ArgumentException.ThrowIfNullOrEmpty(acceptedColumnName);
        IHost host = environment.Register(nameof(AbstentionEvaluator));
        using IChannel channel = host.Start("Evaluating abstention");
        LabelledScores scores = LabelledScores.Bind(data.Schema, labelColumnName, scoreColumnName);
        scores.Report(channel);
        AcceptedColumn accepted = AcceptedColumn.Bind(data.Schema, acceptedColumnName);
        CodedColumn? clusters = clusterColumnName is null ? null : CodedColumn.Clusters(data.Schema, clusterColumnName);
        SkippedRowCounter withoutLabel = new(), withoutScore = new();
        float[] row = new float[scores.NumberOfClasses];
        using LabelledScoreCursor cursor = scores.OpenLazily(data,
            clusters is null ? [accepted.Column] : [accepted.Column, clusters.Column]);
        Func<int, int> read = accepted.Open(cursor.Row);
        Func<int, int> readCluster = clusters?.Open(cursor.Row) ?? (_ => -1);
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

            accepted.Count(label, row, read(label), readCluster(label));
        }

        withoutLabel.Report(channel, $"the label column '{labelColumnName}' is missing or unknown");
        withoutScore.Report(channel, $"the score column '{scoreColumnName}' holds NaN or infinity");
        AbstentionMetrics metrics = accepted.GetMetrics(withoutLabel.Count + withoutScore.Count);
        return metrics.Count > 0 ? metrics : throw new InvalidOperationException(
            metrics.SkippedRows == 0 ? "The data has no rows to evaluate."
            : $"None of the {metrics.SkippedRows} row(s) has a known label in column '{labelColumnName}' and scores in " +
              $"'{scoreColumnName}'.");
    }
}
