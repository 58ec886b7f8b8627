using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Counts rows that are left out for one reason.</summary>
internal sealed class SkippedRowCounter
{
    private readonly Dictionary<int, LeftOutRows> _ofGroup = [];
    private long _first;

    public long Count => Rows.Count;

    public LeftOutRows Rows { get; private set; }

    /// <param name="position">Where the row lies in what is read.</param>
    /// <param name="number">Its number in the source, for the message.</param>
    /// <param name="group">Its group; negative where that is not asked.</param>
    public void Add(long position, long number, int group = -1)
    {
        if (Count == 0)
            _first = number;
        Rows = Rows.With(position);
        if (group >= 0)
            _ofGroup[group] = OfGroup(group).With(position);
    }

    /// <summary>Those of one group.</summary>
    public LeftOutRows OfGroup(int group) => _ofGroup.GetValueOrDefault(group);

    public void Report(IChannel channel, string reason)
    {
        if (Count > 0)
            channel.Warning($"{Count} row(s) were left out because {reason}; the first is row {_first} (counted from 0).");
    }
}
