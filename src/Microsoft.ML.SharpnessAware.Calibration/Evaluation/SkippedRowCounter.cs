using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Counts rows that are left out for one reason.</summary>
internal sealed class SkippedRowCounter
{
    private long _first;

    public long Count => Rows.Count;

    public LeftOutRows Rows { get; private set; }

    public void Add(long position)
    {
        if (Count == 0)
            _first = position;
        Rows = Rows.With(position);
    }

    public void Report(IChannel channel, string reason)
    {
        if (Count > 0)
            channel.Warning($"{Count} row(s) were left out because {reason}; the first is row {_first} (counted from 0).");
    }
}
