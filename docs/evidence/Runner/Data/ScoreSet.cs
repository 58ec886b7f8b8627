namespace MLSharpness.Evidence.Data;

/// <summary>What a model says of some rows: class probabilities, row-major [rows × classes], and the true class of each row.</summary>
internal sealed record ScoreSet(float[] Probabilities, int[] Labels, int Classes)
{
    public int Count => Labels.Length;

    public ScoreSet Choose(IReadOnlyList<int> rows)
    {
        float[] probabilities = new float[rows.Count * Classes];
        for (int i = 0; i < rows.Count; i++)
            Probabilities.AsSpan(rows[i] * Classes, Classes).CopyTo(probabilities.AsSpan(i * Classes));
        return new(probabilities, [.. rows.Select(row => Labels[row])], Classes);
    }

    /// <summary>Some rows, drawn by a seed.</summary>
    public ScoreSet Draw(int count, int seed)
    {
        int[] rows = [.. Enumerable.Range(0, Count)];
        new Random(seed).Shuffle(rows);
        return Choose(rows[..Math.Min(count, Count)]);
    }
}
