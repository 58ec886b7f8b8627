using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Reads labels and probabilities of a binary model in one pass over these two columns.</summary>
internal static class BinaryCalibrationEvaluator
{
    public static BinaryCalibrationMetrics Evaluate(
        IHostEnvironment environment, IDataView data, string labelColumnName, string probabilityColumnName, int numberOfBins,
        string? groupColumnName = null, string? clusterColumnName = null, MeasuredRow? onRow = null)
    {
        environment.CheckValue(data, nameof(data));
        environment.CheckNonEmpty(labelColumnName, nameof(labelColumnName));
        environment.CheckNonEmpty(probabilityColumnName, nameof(probabilityColumnName));
        IHost host = environment.Register(nameof(BinaryCalibrationEvaluator));
        DataViewSchema.Column label = Find(data.Schema, labelColumnName, "label", BooleanDataViewType.Instance,
            "Boolean, whether the row is positive");
        DataViewSchema.Column probability = Find(data.Schema, probabilityColumnName, "probability", NumberDataViewType.Single,
            "Single, the probability of the positive class; a trainer that gives a Score only wants a calibrator, such as "
            + "mlContext.BinaryClassification.Calibrators.Platt");
        BinaryCalibrationAccumulator accumulator = new(numberOfBins);
        SkippedRowCounter withoutProbability = new();
        CodedColumn? groups = groupColumnName is null ? null : CodedColumn.Groups(data.Schema, groupColumnName,
            CalibrationSums.Cells(numberOfClasses: 0, numberOfBins, topKPredictionCount: 0));
        CodedColumn? clusters = clusterColumnName is null ? null : CodedColumn.Clusters(data.Schema, clusterColumnName);
        IEnumerable<DataViewSchema.Column> columns =
            [label, probability, .. new[] { groups, clusters }.OfType<CodedColumn>().Select(side => side.Column)];
        using (DataViewRowCursor cursor = data.GetRowCursor(columns))
        {
            Func<int, int>? readGroup = groups?.Open(cursor), readCluster = clusters?.Open(cursor);
            ValueGetter<bool> getLabel = cursor.GetGetter<bool>(label);
            ValueGetter<float> getProbability = cursor.GetGetter<float>(probability);
            ValueGetter<DataViewRowId> getId = cursor.GetIdGetter();
            var source = new SourceRow(cursor);
            Span<float> ofBoth = stackalloc float[2];
            DataViewRowId id = default;
            bool isPositive = false;
            float p = 0;
            while (cursor.MoveNext())
            {
                host.CheckAlive();
                getLabel(ref isPositive);
                getProbability(ref p);
                if (float.IsNaN(p))
                {
                    withoutProbability.Add(cursor.Position, source.Number, readGroup?.Invoke(-1) ?? -1);
                    continue;
                }

                if (!(p >= 0 && p <= 1 + ProbabilityRow.ExcessTolerance))
                    throw new InvalidOperationException(
                        $"Column '{probabilityColumnName}' must hold probabilities, but row {source.Number} (counted from 0) has " +
                        Invariant($"{p:G6}."));
                p = Math.Min(p, 1);
                int cluster = readCluster?.Invoke(0) ?? -1;
                accumulator.Add(p, isPositive, readGroup?.Invoke(0) ?? -1, cluster);
                if (onRow is null)
                    continue;
                getId(ref id);
                (ofBoth[0], ofBoth[1]) = p == 0.5f ? (MathF.BitDecrement(p), p) : (1 - p, p);     // ½ predicts positive
                onRow(cursor.Position, id, isPositive ? 1 : 0, ofBoth, [], cluster);
            }
        }

        using (IChannel channel = host.Start(nameof(Evaluate)))
            withoutProbability.Report(channel, $"the probability column '{probabilityColumnName}' holds NaN");
        if (accumulator.Count == 0)
            throw new InvalidOperationException(withoutProbability.Count == 0
                ? "The data has no rows to evaluate."
                : $"None of the {withoutProbability.Count} row(s) can be evaluated: column '{probabilityColumnName}' is NaN in all of " +
                    "them.");
        return accumulator.GetMetrics(withoutProbability.Rows,
            groups?.Values.Select(group => (group.Number, group.Text, withoutProbability.OfGroup(group.Number))));
    }

    private static DataViewSchema.Column Find(DataViewSchema schema, string name, string role, DataViewType type, string expected)
    {
        DataViewSchema.Column column = NamedColumn.Find(schema, name, role);
        return column.Type.Equals(type) ? column
            : throw new ArgumentOutOfRangeException(nameof(schema), $"Column '{name}': expected {expected}; found {column.Type}.");
    }
}
