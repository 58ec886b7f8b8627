using System.Numerics.Tensors;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Keeps the most confident wrong and the least confident right predictions of all rows, in memory bounded by their number.
/// Rows without a label or with scores that are not finite are passed over, as the metrics leave them out.</summary>
internal sealed class ExampleCollector(int limit)
{
    // The first to go is the least extreme and, of equals, the latest row.
    private readonly PriorityQueue<ReportRow, (float Extremity, long Earliness)> _wrong = new();
    private readonly PriorityQueue<ReportRow, (float Extremity, long Earliness)> _right = new();
    private float[] _scores = [];

    /// <summary>The most confident wrong predictions, the most confident first.</summary>
    public IReadOnlyList<ReportRow> ConfidentlyWrong => [.. Rows(_wrong).OrderByDescending(row => row.Confidence).ThenBy(row => row.Row)];

    /// <summary>The least confident right predictions, the least confident first.</summary>
    public IReadOnlyList<ReportRow> HesitantlyRight => [.. Rows(_right).OrderBy(row => row.Confidence).ThenBy(row => row.Row)];

    public void Add(long row, DataViewRowId id, ulong key, in VBuffer<float> scores)
    {
        if (key == 0 || key > (ulong)scores.Length || limit == 0)
            return;
        if (_scores.Length != scores.Length)
            _scores = new float[scores.Length];
        scores.CopyTo(_scores);
        float confidence = TensorPrimitives.Max<float>(_scores);     // NaN if any score is
        if (!float.IsFinite(confidence))
            return;

        int label = (int)(key - 1);
        int predicted = _scores.AsSpan().IndexOf(confidence);       // ties go to the lowest index, as in the metrics
        ReportRow scored = new(row, id, label, predicted, confidence, _scores[label]);
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
