namespace Microsoft.ML.SharpnessAware;

/// <summary>Rows of a view that are not measured: how many, and a hash of where they lie.</summary>
internal readonly record struct LeftOutRows(long Count, ulong Places)
{
    public LeftOutRows With(long position)
    {
        ulong place = (ulong)position;
        return new(Count + 1, Places + SplitMix64.Next(ref place));
    }

    /// <summary>Those of both, where no row is in both.</summary>
    public LeftOutRows With(LeftOutRows others) => new(Count + others.Count, Places + others.Places);
}
