using System.Buffers;
using System.Numerics;
using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Sorts integers in ascending order, in linear time: many times faster than comparing for a million of them.</summary>
internal static class RadixSort
{
    private const int DigitBits = 11;       // 2,048 counters: they and the ends of as many runs stay in the fastest cache
    private const int Radix = 1 << DigitBits;

    public static void Sort(Span<uint> values)
    {
        if (values.Length <= Radix)
        {
            values.Sort();
            return;
        }

        // Only the digits in which values differ at all need a pass.
        uint smallest = TensorPrimitives.Min<uint>(values);
        int bits = 32 - BitOperations.LeadingZeroCount(TensorPrimitives.Max<uint>(values) - smallest);
        uint[] rented = ArrayPool<uint>.Shared.Rent(values.Length);
        Span<uint> from = values;
        Span<uint> to = rented.AsSpan(0, values.Length);
        for (int shift = 0; shift < bits; shift += DigitBits)
        {
            Distribute(from, to, smallest, shift);
            Span<uint> sorted = to;
            to = from;
            from = sorted;
        }

        if (from != values)
            from.CopyTo(values);
        ArrayPool<uint>.Shared.Return(rented);
    }

    private static void Distribute(ReadOnlySpan<uint> from, Span<uint> to, uint smallest, int shift)
    {
        Span<int> next = stackalloc int[Radix];
        next.Clear();
        foreach (uint value in from)
            next[(int)((value - smallest) >> shift) & (Radix - 1)]++;

        int start = 0;
        foreach (ref int place in next)
            (place, start) = (start, start + place);

        foreach (uint value in from)
            to[next[(int)((value - smallest) >> shift) & (Radix - 1)]++] = value;
    }
}
