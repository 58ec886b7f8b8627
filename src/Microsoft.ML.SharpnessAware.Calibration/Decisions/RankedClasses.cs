using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Gives the classes of a row one after the other, the most probable first and of equal ones the earlier, and orders only as many as are
/// asked for: few classes are picked one by one, many are put into buckets by their probability, each sorted when its turn comes.
/// </summary>
/// <param name="numberOfClasses">The length of a row.</param>
internal sealed class RankedClasses(int numberOfClasses)
{
    private const int FewClasses = 32;

    // 32 buckets for each halving of the probability, down to 2^-16 of the largest; what is below shares the last one.
    private const int MantissaBits = 23;
    private const int BucketBits = MantissaBits - 5;
    private const int Buckets = 1 << 9;

    // The complement of the float32 bits, so that a larger probability is smaller, and below it the class.
    private readonly ulong[] _keys = new ulong[numberOfClasses];
    private readonly int[] _ends = new int[numberOfClasses > FewClasses ? Buckets : 0];
    private int _bucket;
    private int _sorted;        // places in order
    private int _next;
    private ulong _last;        // of few classes, the key that was given last; none is 0

    /// <summary>Begins with another row.</summary>
    public void Start(ReadOnlySpan<float> probabilities)
    {
        (_bucket, _sorted, _next, _last) = (0, 0, 0, 0);
        ulong[] keys = _keys;
        if (_ends.Length == 0)
        {
            for (int k = 0; k < keys.Length; k++)
                keys[k] = Key(Bits(probabilities[k]), k);
            return;
        }

        uint largest = Bits(TensorPrimitives.Max(probabilities));
        int[] ends = _ends;
        Array.Clear(ends);
        foreach (float probability in probabilities)
            ends[Bucket(largest, Bits(probability))]++;
        int start = 0;
        foreach (ref int end in ends.AsSpan())
            (end, start) = (start, start + end);
        for (int k = 0; k < probabilities.Length; k++)
        {
            uint bits = Bits(probabilities[k]);
            keys[ends[Bucket(largest, bits)]++] = Key(bits, k);     // from its start a bucket grows to its end
        }
    }

    /// <summary>The next class; to be called at most once for each.</summary>
    public int Next()
    {
        if (_ends.Length == 0)
            return (int)(uint)(_last = SmallestAbove(_keys, _last));
        if (_next == _sorted)
            SortBucket();
        return (int)(uint)_keys[_next++];
    }

    private void SortBucket()
    {
        while (_ends[_bucket] == _sorted)
            _bucket++;
        _keys.AsSpan(_sorted.._ends[_bucket]).Sort();
        _sorted = _ends[_bucket];
    }

    // A −0 or a rounding error below 0 is 0.
    private static uint Bits(float probability) => BitConverter.SingleToUInt32Bits(Math.Max(probability, 0f));

    private static int Bucket(uint largest, uint bits) => (int)Math.Min((largest - bits) >> BucketBits, Buckets - 1);

    private static ulong Key(uint bits, int k) => (ulong)~bits << 32 | (uint)k;

    // Without branches, which nobody could predict.
    private static ulong SmallestAbove(ulong[] keys, ulong last)
    {
        ulong smallest = ulong.MaxValue;
        foreach (ulong key in keys)
            smallest = Math.Min(smallest, key > last ? key : ulong.MaxValue);
        return smallest;
    }
}
