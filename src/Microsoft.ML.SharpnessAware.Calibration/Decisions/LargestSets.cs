using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Keeps the largest prediction sets of more than one class, in memory bounded by their number.</summary>
internal sealed class LargestSets(int limit)
{
    /// <summary>Of a large set the first classes are shown.</summary>
    public const int MostClasses = 8;

    // The first to go is the smallest and, of equals, the latest row.
    private readonly PriorityQueue<LargeSet, (int Size, long Earliness)> _sets = new();
    private ValueGetter<DataViewRowId>? _getId;

    /// <summary>The largest first, then in the order of the rows.</summary>
    public IReadOnlyList<LargeSet> Sets =>
        [.. _sets.UnorderedItems.Select(item => item.Element).OrderByDescending(set => set.Size).ThenBy(set => set.Row)];

    public void Add(DataViewRow row, int label, bool holds, ReadOnlySpan<int> members)
    {
        (int Size, long) priority = (members.Length, -row.Position);
        if (limit == 0 || members.Length < 2
            || (_sets.Count == limit && _sets.TryPeek(out _, out var least) && least.CompareTo(priority) > 0))
            return;
        DataViewRowId id = default;
        (_getId ??= row.GetIdGetter())(ref id);
        if (_sets.Count == limit)
            _sets.Dequeue();
        int[] first = [.. members[..Math.Min(members.Length, MostClasses)]];
        _sets.Enqueue(new LargeSet(row.Position, id, label, holds, members.Length, first), priority);
    }
}
