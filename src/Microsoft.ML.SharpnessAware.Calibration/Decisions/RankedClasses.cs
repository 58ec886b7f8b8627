using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Gives the classes of a row one after the other, the most probable first and of equal ones the earlier. Up to some hundred classes are
/// ordered at once, by counting for each those before it; more are put into buckets by their probability, which are sorted when their turn
/// comes.
/// </summary>
/// <param name="numberOfClasses">The length of a row.</param>
internal sealed class RankedClasses(int numberOfClasses)
{
    // Counting takes time by the square of the number of classes, buckets by the number and always some.
    private const int MostToCount = 128;

    // 256 buckets for each halving of the probability, down to 2^-16 of the largest; what is below shares the last one.
    private const int MantissaBits = 23;
    private const int BucketBits = MantissaBits - 8;
    private const int Buckets = 1 << 12;

    // So many places are sorted at a time, and those that share a bucket with the last of them.
    private const int Run = 32;

    // What is missing to the largest float32, by its bits, so that a larger probability is smaller, and below it the class. Whole vectors
    // of them: what is beyond the classes comes after all of them.
    private readonly long[] _keys = MakeKeys(numberOfClasses);
    private readonly long[] _before = new long[numberOfClasses + Vector<long>.Count];     // how many come before a class
    private readonly int[] _order = new int[numberOfClasses];
    private readonly int[] _ends = new int[numberOfClasses > MostToCount ? Buckets : 0];
    private readonly int[] _buckets = new int[numberOfClasses > MostToCount ? numberOfClasses : 0];
    private int _sorted;        // places in order

    /// <summary>Begins with another row.</summary>
    public void Start(ReadOnlySpan<float> probabilities)
    {
        ReadOnlySpan<int> bits = MemoryMarshal.Cast<float, int>(probabilities);
        _sorted = 0;
        if (_ends.Length == 0)
            Count(bits);
        else
            Spread(bits);
    }

    /// <summary>The next classes in order; none after the last.</summary>
    public ReadOnlySpan<int> Next()
    {
        int given = _sorted;
        if (given < _order.Length)
            SortMore();
        return _order.AsSpan(given.._sorted);
    }

    /// <summary>Without branches, which nobody could predict. By itself, so that its loops have all registers.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Count(ReadOnlySpan<int> bits)
    {
        long[] keys = _keys, before = _before;
        for (int k = 0; k < bits.Length; k++)
            keys[k] = Key(bits[k], k);
        for (int first = 0; first < bits.Length; first += Vector<long>.Count)
        {
            Vector<long> some = new(keys, first);
            Vector<long> counts = Vector<long>.Zero;
            for (int k = 0; k < bits.Length; k++)
                counts -= Vector.LessThan(new Vector<long>(keys[k]), some);     // true is −1
            counts.CopyTo(before, first);
        }

        int[] order = _order;
        for (int k = 0; k < bits.Length; k++)
            order[(int)before[k]] = k;
    }

    private void Spread(ReadOnlySpan<int> bits)
    {
        int[] buckets = _buckets, ends = _ends;
        long[] keys = _keys;
        int largest = Math.Max(TensorPrimitives.Max(bits), 0);
        TensorPrimitives.Max(bits, 0, buckets);
        TensorPrimitives.Subtract(largest, buckets, buckets);
        TensorPrimitives.ShiftRightArithmetic(buckets, BucketBits, buckets);
        TensorPrimitives.Min(buckets, Buckets - 1, buckets);
        Span<int> used = ends.AsSpan(0, TensorPrimitives.Max<int>(buckets) + 1);
        used.Clear();
        foreach (int bucket in buckets)
            ends[bucket]++;
        int start = 0;
        foreach (ref int end in used)
            (end, start) = (start, start + end);
        for (int k = 0; k < bits.Length; k++)
            keys[ends[buckets[k]]++] = Key(bits[k], k);     // from its start a bucket grows to its end
    }

    private void SortMore()
    {
        if (_ends.Length == 0)
        {
            _sorted = _order.Length;        // by Count
            return;
        }

        int last = (int)_keys[Math.Min(_sorted + Run, _order.Length) - 1];
        Span<long> more = _keys.AsSpan(_sorted.._ends[_buckets[last]]);
        if (more.Length <= 2 * Run)
            SortAlmostSorted(more);
        else
            more.Sort();
        Span<int> order = _order.AsSpan(_sorted, more.Length);
        for (int i = 0; i < order.Length; i++)
            order[i] = (int)more[i];
        _sorted += more.Length;
    }

    /// <summary>By insertion: nothing leaves its bucket, and most buckets hold one or two.</summary>
    private static void SortAlmostSorted(Span<long> keys)
    {
        for (int i = 1; i < keys.Length; i++)
        {
            long key = keys[i];
            int place = i;
            for (; place > 0 && keys[place - 1] > key; place--)
                keys[place] = keys[place - 1];
            keys[place] = key;
        }
    }

    private static long[] MakeKeys(int numberOfClasses)
    {
        long[] keys = new long[numberOfClasses + Vector<long>.Count];
        Array.Fill(keys, long.MaxValue);
        return keys;
    }

    // A −0 or a rounding error below 0 is 0; other float32 have the order of their bits.
    private static long Key(int bits, int k) => (long)(int.MaxValue - Math.Max(bits, 0)) << 32 | (uint)k;
}
