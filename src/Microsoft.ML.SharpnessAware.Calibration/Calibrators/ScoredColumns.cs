using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The label and score columns of a scored view that a calibrator is fitted on.</summary>
internal sealed class ScoredColumns
{
    private readonly DataViewSchema.Column _label;
    private readonly DataViewSchema.Column _score;
    private readonly int _numberOfClasses;

    private ScoredColumns(DataViewSchema.Column label, DataViewSchema.Column score, int numberOfClasses) =>
        (_label, _score, _numberOfClasses) = (label, score, numberOfClasses);

    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of another type, or the numbers of classes differ.</exception>
    /// <exception cref="InvalidOperationException">The label's keys stand for the classes in another order than the scores.</exception>
    public static ScoredColumns Bind(DataViewSchema schema, string labelColumnName, string scoreColumnName)
    {
        LabelColumn label = LabelColumn.Bind(schema, labelColumnName);
        DataViewSchema.Column score = ScoreColumns.FindScore(schema, scoreColumnName);
        int numberOfClasses = ScoreColumns.NumberOfClasses(score);
        if (label.NumberOfClasses != numberOfClasses)
            throw new ArgumentOutOfRangeException(nameof(schema),
                $"Label column '{labelColumnName}' has {label.NumberOfClasses} keys, but score column '{scoreColumnName}' "
                + $"{numberOfClasses} scores. Make the label with the MapValueToKey transformer that the model was trained with.");
        CheckOrder(label.Column, score);
        return new ScoredColumns(label.Column, score, numberOfClasses);
    }

    /// <summary>Reads all rows, in one pass. Those without a label are left out, with a warning.</summary>
    /// <exception cref="InvalidOperationException">No row has a label, or scores are not probabilities.</exception>
    public CalibrationRows Read(IDataView data, IHost host, IChannel channel)
    {
        List<float> scores = [];
        List<int> labels = [];
        long withoutLabel = 0, firstWithoutLabel = 0;
        using DataViewRowCursor cursor = data.GetRowCursor([_label, _score]);
        ValueGetter<ulong> getLabel = RowCursorUtils.GetGetterAs<ulong>(NumberDataViewType.UInt64, cursor, _label.Index);
        ValueGetter<VBuffer<float>> getScore = cursor.GetGetter<VBuffer<float>>(_score);
        VBuffer<float> buffer = default;
        float[] row = new float[_numberOfClasses];
        while (cursor.MoveNext())
        {
            host.CheckAlive();
            ulong key = 0;
            getLabel(ref key);
            if (key == 0 || key > (ulong)_numberOfClasses)
            {
                if (withoutLabel++ == 0)
                    firstWithoutLabel = cursor.Position;
                continue;
            }

            getScore(ref buffer);
            buffer.CopyTo(row);
            if (ProbabilityRow.Problem(row) is string problem)
                throw NotProbabilities(_score.Name, $"row {cursor.Position} (counted from 0)", problem);
            if (scores.Count > Array.MaxLength - row.Length)
                throw new InvalidOperationException(
                    $"The data has more than the {labels.Count} rows of {row.Length} scores that a calibrator "
                    + "can be fitted on. Take fewer, for example with mlContext.Data.TakeRows; some ten thousand are plenty.");
            scores.AddRange(row);
            labels.Add((int)key - 1);
        }

        if (withoutLabel > 0)
            channel.Warning($"{withoutLabel} row(s) were left out because the label column '{_label.Name}' is missing or unknown; "
                + $"the first is row {firstWithoutLabel} (counted from 0).");
        if (labels.Count == 0)
            throw new InvalidOperationException(withoutLabel == 0
                ? "The data has no rows to fit a calibrator on."
                : $"None of the {withoutLabel} row(s) has a known label in column '{_label.Name}', so no calibrator can be fitted.");
        return new CalibrationRows([.. scores], [.. labels], _numberOfClasses);
    }

    /// <summary>What to throw where a row does not hold probabilities.</summary>
    public static InvalidOperationException NotProbabilities(string columnName, string row, string problem) => new(
        $"Column '{columnName}' must hold class probabilities, but {row} {problem}. "
        + "Turn the scores into probabilities first, for example with a softmax, and leave out rows without scores.");

    // Two MapValueToKey transformers, one for training and one for validation, can give the same values in another order.
    private static void CheckOrder(DataViewSchema.Column label, DataViewSchema.Column score)
    {
        if (LabelValues.Of(label) is not LabelValues labels || LabelValues.OfScores(score) is not LabelValues scores)
            return;
        for (int k = 0; k < Math.Min(labels.Names.Count, scores.Names.Count); k++)
        {
            if (labels.Names[k] != scores.Names[k] && scores.Names.Contains(labels.Names[k]))
                throw new InvalidOperationException(
                    $"Key {k + 1} of label column '{label.Name}' stands for '{labels.Names[k]}', but score {k + 1} of column "
                    + $"'{score.Name}' for '{scores.Names[k]}'. Make the label with the MapValueToKey transformer that the model was trained with.");
        }
    }
}
