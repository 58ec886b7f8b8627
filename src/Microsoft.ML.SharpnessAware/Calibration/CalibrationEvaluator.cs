using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Reads labels and scores from a data view, in one pass over these two columns, into a <see
/// cref="CalibrationAccumulator"/>.</summary>
internal static class CalibrationEvaluator
{
    public static MulticlassCalibrationMetrics Evaluate(
        IHostEnvironment environment, IDataView data, string labelColumnName, string scoreColumnName, int numberOfBins,
        int topKPredictionCount = 0)
    {
        environment.CheckValue(data, nameof(data));
        environment.CheckNonEmpty(labelColumnName, nameof(labelColumnName));
        environment.CheckNonEmpty(scoreColumnName, nameof(scoreColumnName));
        IHost host = environment.Register(nameof(CalibrationEvaluator));
        (DataViewSchema.Column label, DataViewSchema.Column score, int numberOfClasses) =
            GetColumns(host, data.Schema, labelColumnName, scoreColumnName);

        CalibrationAccumulator accumulator = new(numberOfClasses, numberOfBins);
        SkippedRows withoutLabel = new();
        SkippedRows withoutScore = new();

        using DataViewRowCursor cursor = data.GetRowCursor([label, score]);
        ValueGetter<ulong> getLabel = RowCursorUtils.GetGetterAs<ulong>(NumberDataViewType.UInt64, cursor, label.Index);
        ValueGetter<VBuffer<float>> getScore = cursor.GetGetter<VBuffer<float>>(score);
        VBuffer<float> scores = default;
        float[] dense = new float[numberOfClasses];
        while (cursor.MoveNext())
        {
            ulong key = 0;
            getLabel(ref key);
            getScore(ref scores);
            scores.CopyTo(dense);
            if (key == 0 || key > (ulong)numberOfClasses)
                withoutLabel.Add(cursor.Position);
            else if (!AllFinite(dense))
                withoutScore.Add(cursor.Position);
            else if (ProbabilityRow.Problem(dense) is string problem)
                throw host.Except($"Column '{scoreColumnName}' must hold class probabilities, but row {cursor.Position} (counted from 0) "
                    + $"{problem}. Turn the scores into probabilities first, for example with a softmax.");
            else
                accumulator.Add(dense, (int)(key - 1));
        }

        using (IChannel channel = host.Start(nameof(Evaluate)))
        {
            withoutLabel.Report(channel, $"the label column '{labelColumnName}' is missing or unknown");
            withoutScore.Report(channel, $"the score column '{scoreColumnName}' holds NaN or infinity");
        }

        long skipped = withoutLabel.Count + withoutScore.Count;
        if (accumulator.Count == 0)
            throw host.Except(skipped == 0
                ? "The data has no rows to evaluate."
                : $"None of the {skipped} row(s) can be evaluated: column '{labelColumnName}' is missing in {withoutLabel.Count} and "
                    + $"column '{scoreColumnName}' is NaN or infinite in {withoutScore.Count} of them.");
        return accumulator.GetMetrics(skipped, LabelValues.Of(label)?.Names, topKPredictionCount);
    }

    private static (DataViewSchema.Column Label, DataViewSchema.Column Score, int NumberOfClasses) GetColumns(
        IHost host, DataViewSchema schema, string labelColumnName, string scoreColumnName)
    {
        DataViewSchema.Column label = schema.GetColumnOrNull(labelColumnName)
            ?? throw host.ExceptSchemaMismatch(nameof(schema), "label", labelColumnName);
        DataViewSchema.Column score = schema.GetColumnOrNull(scoreColumnName)
            ?? throw host.ExceptSchemaMismatch(nameof(schema), "score", scoreColumnName);
        if (score.Type is not VectorDataViewType { IsKnownSize: true, Size: >= 2 } vector || vector.ItemType != NumberDataViewType.Single)
            throw host.ExceptSchemaMismatch(nameof(schema), "score", scoreColumnName,
                "a vector of known size (at least 2) of Single", score.Type.ToString());
        if (label.Type is not KeyDataViewType key)
            throw host.ExceptSchemaMismatch(nameof(schema), "label", labelColumnName,
                "a key (map it with MapValueToKey)", label.Type.ToString());
        if (key.Count != (ulong)vector.Size)
            throw host.ExceptSchemaMismatch(nameof(schema), "label", labelColumnName,
                $"a key of {vector.Size} values, one for each score in '{scoreColumnName}'", $"a key of {key.Count} values");
        return (label, score, vector.Size);
    }

    private static bool AllFinite(ReadOnlySpan<float> values)
    {
        foreach (float value in values)
        {
            if (!float.IsFinite(value))
                return false;
        }

        return true;
    }

    private sealed class SkippedRows
    {
        private long _first;

        public long Count { get; private set; }

        public void Add(long row)
        {
            if (Count++ == 0)
                _first = row;
        }

        public void Report(IChannel channel, string reason)
        {
            if (Count > 0)
                channel.Warning($"{Count} row(s) were left out because {reason}; the first is row {_first} (counted from 0).");
        }
    }
}
