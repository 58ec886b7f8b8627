using System.Numerics.Tensors;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Keeps the most confident wrong and the least confident right predictions of all rows that are measured, in memory bounded by
/// their number.</summary>
internal sealed class ExampleCollector(int limit)
{
    // The first to go is the least extreme and, of equals, the latest row.
    private readonly PriorityQueue<ReportRow, (float Extremity, long Earliness)> _wrong = new();
    private readonly PriorityQueue<ReportRow, (float Extremity, long Earliness)> _right = new();

    /// <summary>The most confident wrong predictions, the most confident first.</summary>
    public IReadOnlyList<ReportRow> ConfidentlyWrong => [.. Rows(_wrong).OrderByDescending(row => row.Confidence).ThenBy(row => row.Row)];

    /// <summary>The least confident right predictions, the least confident first.</summary>
    public IReadOnlyList<ReportRow> HesitantlyRight => [.. Rows(_right).OrderBy(row => row.Confidence).ThenBy(row => row.Row)];

    /// <summary>All of them, to be found again.</summary>
    public IEnumerable<(long Row, DataViewRowId Id)> All => ConfidentlyWrong.Concat(HesitantlyRight).Select(row => (row.Row, row.Id));

    /// <inheritdoc cref="MeasuredRow"/>
    public void Add(long position, DataViewRowId id, int label, ReadOnlySpan<float> probabilities)
    {
        if (limit == 0)
            return;
        float confidence = TensorPrimitives.Max(probabilities);
        int predicted = probabilities.IndexOf(confidence);       // ties go to the lowest index, as in the metrics
        ReportRow scored = new(position, id, label, predicted, confidence, probabilities[label]);
        if (predicted == label)
            Keep(_right, scored, -confidence);
        else
            Keep(_wrong, scored, confidence);
    }

    private void Keep(PriorityQueue<ReportRow, (float Extremity, long Earliness)> rows, ReportRow row, float extremity)
    {
        if (rows.Count < limit)
            rows.Enqueue(row, (extremity, -row.Row));
        else
            rows.EnqueueDequeue(row, (extremity, -row.Row));
    }

    private static IEnumerable<ReportRow> Rows(PriorityQueue<ReportRow, (float Extremity, long Earliness)> rows)
        => rows.UnorderedItems.Select(item => item.Element);
}
