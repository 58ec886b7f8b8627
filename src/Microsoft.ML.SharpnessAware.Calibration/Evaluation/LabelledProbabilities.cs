using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Goes through the rows that something is fitted on: class probabilities or logits, and the true class.</summary>
internal static class LabelledProbabilities
{
    /// <summary>What to do with one row, of which another column says a number; 0 where none was asked for.</summary>
    public delegate void RowAction(ReadOnlySpan<float> scores, int label, int side);

    /// <summary>Goes through all rows that have a label, in one pass. The others are left out, with a warning; that may be all.</summary>
    /// <returns>How many rows there were, and how many were left out.</returns>
    /// <exception cref="InvalidOperationException">Scores are not what they should be; the message names the row.</exception>
    public static (long Rows, long WithoutLabel) Read(
        IDataView data, LabelledScores columns, ScoreKind kind, IHost host, IChannel channel, RowAction action, ISideColumn? side = null,
        bool keepsLogits = false)
    {
        columns.Report(channel);
        SkippedRowCounter withoutLabel = new();
        LogitWatch logits = new(kind);
        float[] row = new float[columns.NumberOfClasses];
        long rows = 0;
        using LabelledScoreCursor cursor = side is null ? columns.Open(data) : columns.Open(data, side.Column);
        Func<int, int> readSide = side?.Open(cursor.Row) ?? (_ => 0);
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
            logits.See(row);
            if (ScoreRow.Problem(row, kind) is string problem)
                throw ScoreRow.Unusable(columns.Score.Name, kind, cursor.Number, problem);
            if (!keepsLogits)
                ScoreRow.Probabilities(row, kind, row);
            action(row, label, readSide(label));
            rows++;
        }

        withoutLabel.Report(channel, $"the label column '{columns.Label.Name}' is missing or unknown");
        logits.Report(channel, columns.Score.Name);
        return (rows, withoutLabel.Count);
    }

    /// <exception cref="InvalidOperationException">There are no rows to fit on.</exception>
    public static void CheckAny(long rows, long withoutLabel, string labelColumnName, string what)
    {
        if (rows == 0)
            throw new InvalidOperationException(withoutLabel == 0
                ? $"The data has no rows to fit a {what} on."
                : $"None of the {withoutLabel} row(s) has a known label in column '{labelColumnName}', so no {what} can be fitted.");
    }
}
