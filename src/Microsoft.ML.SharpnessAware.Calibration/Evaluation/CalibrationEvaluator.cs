using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Reads labels and scores from a data view, in one pass over these two columns, into a <see cref="CalibrationAccumulator"/>. A second
/// thread adds up one block of rows while the cursor fills the next; blocks follow each other in their order, so that the result does not
/// depend on it.
/// </summary>
internal sealed class CalibrationEvaluator
{
    private readonly IHost _host;
    private readonly string _labelColumnName;
    private readonly string _scoreColumnName;
    private readonly DataViewSchema.Column _label;
    private readonly DataViewSchema.Column _score;
    private readonly int _numberOfClasses;
    private readonly CalibrationAccumulator _accumulator;
    private readonly SkippedRowCounter _withoutLabel = new();
    private readonly SkippedRowCounter _withoutScore = new();

    private CalibrationEvaluator(IHost host, DataViewSchema schema, string labelColumnName, string scoreColumnName, int numberOfBins,
        int topKPredictionCount)
    {
        _host = host;
        _labelColumnName = labelColumnName;
        _scoreColumnName = scoreColumnName;
        (_label, _score, _numberOfClasses) = GetColumns(host, schema, labelColumnName, scoreColumnName);
        _accumulator = new CalibrationAccumulator(_numberOfClasses, numberOfBins, topKPredictionCount);
    }

    public static MulticlassCalibrationMetrics Evaluate(IHostEnvironment environment, IDataView data, string labelColumnName,
        string scoreColumnName, int numberOfBins, int topKPredictionCount)
    {
        environment.CheckValue(data, nameof(data));
        environment.CheckNonEmpty(labelColumnName, nameof(labelColumnName));
        environment.CheckNonEmpty(scoreColumnName, nameof(scoreColumnName));
        IHost host = environment.Register(nameof(CalibrationEvaluator));
        CalibrationEvaluator evaluator = new(host, data.Schema, labelColumnName, scoreColumnName, numberOfBins, topKPredictionCount);
        evaluator.Read(data);
        return evaluator.GetMetrics();
    }

    private void Read(IDataView data)
    {
        using DataViewRowCursor cursor = data.GetRowCursor([_label, _score]);
        ValueGetter<ulong> getLabel = RowCursorUtils.GetGetterAs<ulong>(NumberDataViewType.UInt64, cursor, _label.Index);
        ValueGetter<VBuffer<float>> getScore = cursor.GetGetter<VBuffer<float>>(_score);
        VBuffer<float> scores = default;
        ScoreBlock filling = new(_numberOfClasses);
        ScoreBlock adding = new(_numberOfClasses);
        Task previous = Task.CompletedTask;
        while (cursor.MoveNext())
        {
            ulong key = 0;
            getLabel(ref key);
            if (key == 0 || key > (ulong)_numberOfClasses)
            {
                _withoutLabel.Add(cursor.Position);
                continue;
            }

            getScore(ref scores);
            filling.Add(cursor.Position, (int)(key - 1), scores);
            if (!filling.IsFull)
                continue;

            previous.GetAwaiter().GetResult();
            (filling, adding) = (adding, filling);
            ScoreBlock full = adding;
            previous = Task.Run(() => Add(full));
            filling.Truncate(0);
        }

        previous.GetAwaiter().GetResult();
        Add(filling);
    }

    private void Add(ScoreBlock block)
    {
        int kept = 0;
        for (int row = 0; row < block.Count; row++)
        {
            if (ProbabilityRow.IsValid(block.Row(row)) || !Refuse(block.Row(row), block.Position(row)))
                block.Move(row, kept++);
        }

        block.Truncate(kept);
        _accumulator.Add(block.Scores, block.Labels);
    }

    /// <summary>Counts a row that is not finite, and throws if it is not a distribution.</summary>
    private bool Refuse(ReadOnlySpan<float> scores, long position)
    {
        foreach (float score in scores)
        {
            if (!float.IsFinite(score))
            {
                _withoutScore.Add(position);
                return true;
            }
        }

        if (ProbabilityRow.Problem(scores) is string problem)
            throw _host.Except($"Column '{_scoreColumnName}' must hold class probabilities, but row {position} (counted from 0) {problem}. "
                + "Turn the scores into probabilities first, for example with a softmax.");
        return false;
    }

    private MulticlassCalibrationMetrics GetMetrics()
    {
        using (IChannel channel = _host.Start(nameof(Evaluate)))
        {
            _withoutLabel.Report(channel, $"the label column '{_labelColumnName}' is missing or unknown");
            _withoutScore.Report(channel, $"the score column '{_scoreColumnName}' holds NaN or infinity");
        }

        long skipped = _withoutLabel.Count + _withoutScore.Count;
        if (_accumulator.Count == 0)
            throw _host.Except(skipped == 0
                ? "The data has no rows to evaluate."
                : $"None of the {skipped} row(s) can be evaluated: column '{_labelColumnName}' is missing in {_withoutLabel.Count} and "
                    + $"column '{_scoreColumnName}' is NaN or infinite in {_withoutScore.Count} of them.");
        return _accumulator.GetMetrics(ClassNames(), skipped);
    }

    /// <summary>The slot names of the score, as in ML.NET's evaluator, else the key values of the label, else none.</summary>
    private IReadOnlyList<string>? ClassNames()
    {
        if (_score.HasSlotNames(_numberOfClasses))
        {
            VBuffer<ReadOnlyMemory<char>> names = default;
            _score.GetSlotNames(ref names);
            return [.. names.DenseValues().Select(name => name.ToString())];
        }

        return LabelValues.Of(_label)?.Names is { } values && values.Count == _numberOfClasses ? values : null;
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
}
