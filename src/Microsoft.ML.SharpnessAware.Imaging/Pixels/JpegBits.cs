using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The bits of the compressed data of a JPEG file from a place on, up to the next marker.</summary>
internal ref struct JpegBits(ReadOnlySpan<byte> file, int at)
{
    private const int MaxStep = 32; // a code of 16 bits and a value of as many

    private readonly ReadOnlySpan<byte> _file = file;
    private ulong _next; // the next bits, from the highest on
    private int _count;

    /// <summary>Where in the file the next byte comes from.</summary>
    public int At = at;

    /// <summary>Whether more bits were asked for than there are.</summary>
    public bool IsAtEnd { get; private set; }

    /// <summary>Skips the difference to the block before.</summary>
    public bool Skip(JpegHuffmanTable table)
    {
        Fill();
        int step = table.Steps[(int)(_next >> (64 - JpegHuffmanTable.LookupBits))];
        return Drop((step == 0 ? LongStep(table, _next, isAc: false) : step) & 0xFF);
    }

    /// <summary>Skips a block of a frame that is not progressive.</summary>
    public bool SkipBlock(JpegHuffmanTable dc, JpegHuffmanTable ac)
    {
        ref ushort runs = ref MemoryMarshal.GetArrayDataReference(ac.Runs);
        int shift = ac.RunShift;
        (ulong next, int count) = (_next, _count); // here the time goes, and locals are in registers
        if (count <= MaxStep)
            Refill(ref next, ref count);
        int step = dc.Steps[(int)(next >> (64 - JpegHuffmanTable.LookupBits))];
        int bits = (step == 0 ? LongStep(dc, next, isAc: false) : step) & 0xFF;
        for (int k = 1; ;)
        {
            if (bits == 0 || bits > count)
            {
                IsAtEnd = bits > count;
                return false;
            }

            next <<= bits;
            count -= bits;
            if (k >= 64)
                break;
            Refill(ref next, ref count);
            step = Unsafe.Add(ref runs, (int)(next >> shift));
            bits = step & 0xFF;
            int after = k + (step >> 8);
            if (bits > 0 && (after & ~JpegHuffmanTable.EndOfBlock) < 64)
            {
                k = after;
                continue;
            }

            // Its last code is longer, or gives the last coefficient of the block, or more than there are.
            step = ac.Steps[(int)(next >> (64 - JpegHuffmanTable.LookupBits))];
            if (step == 0)
                step = LongStep(ac, next, isAc: true);
            bits = step & 0xFF;
            k += step >> 8;
            if (k is > 64 and < JpegHuffmanTable.EndOfBlock)
                return false;
        }

        (_next, _count) = (next, count);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Refill(ref ulong next, ref int count)
    {
        if (At + 8 <= _file.Length)
        {
            ulong eight = BinaryPrimitives.ReadUInt64BigEndian(_file[At..]), inverse = ~eight;
            if (((inverse - 0x0101010101010101) & eight & 0x8080808080808080) == 0)
            {
                // No byte is 255. Bits of the last byte that are too many are the same when they come again.
                next |= eight >> count;
                At += (63 - count) >> 3;
                count |= 56;
                return;
            }
        }

        if (count <= MaxStep)
            RefillByBytes(ref next, ref count);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void RefillByBytes(ref ulong next, ref int count)
    {
        while (count <= 56 && NextByte() is int value and >= 0)
        {
            next |= (ulong)value << (56 - count);
            count += 8;
        }
    }

    /// <summary>The value of the next code; -1 where there is none.</summary>
    public int Symbol(JpegHuffmanTable table)
    {
        Fill();
        int symbol = table.Symbols[(int)(_next >> (64 - JpegHuffmanTable.LookupBits))];
        (int value, int length) = symbol == 0 ? table.Find((int)(_next >> 48)) : (symbol >> 8, symbol & 0xFF);
        return Drop(length) ? value : -1;
    }

    /// <summary>The next bits as a number; -1 where there are not so many.</summary>
    public int Take(int bits)
    {
        if (bits == 0)
            return 0;
        Fill();
        int value = (int)(_next >> (64 - bits));
        return Drop(bits) ? value : -1;
    }

    /// <summary>
    /// How many whole bytes are left before the next marker, and whether they are all 0 or all 255, as padding is. Goes to that marker.
    /// </summary>
    public (int Count, bool IsPadding) Rest()
    {
        int count = 0;
        bool zeros = true, ones = true;
        _next <<= _count % 8;
        for (_count -= _count % 8; _count > 0; _count -= 8, _next <<= 8)
            See((byte)(_next >> 56));
        while (NextByte() is int next and >= 0)
            See((byte)next);
        return (count, zeros || ones);

        void See(byte value)
        {
            count++;
            zeros &= value == 0;
            ones &= value == 0xFF;
        }
    }

    private static int LongStep(JpegHuffmanTable table, ulong next, bool isAc)
    {
        (int value, int length) = table.Find((int)(next >> 48));
        return value < 0 ? 0 : JpegHuffmanTable.Step(length, value, isAc);
    }

    /// <summary>False where there are fewer bits, or no bits at all are asked for: then there was no such code.</summary>
    private bool Drop(int bits)
    {
        IsAtEnd = bits > _count;
        if (IsAtEnd || bits == 0)
            return false;
        _next <<= bits;
        _count -= bits;
        return true;
    }

    /// <summary>Gets more bits than a step can take, where there are so many.</summary>
    private void Fill()
    {
        if (_count > MaxStep)
            return;
        (ulong next, int count) = (_next, _count);
        Refill(ref next, ref count);
        (_next, _count) = (next, count);
    }

    /// <summary>The next byte of the data, without the zero that follows a 255; -1 before a marker and at the end.</summary>
    private int NextByte()
    {
        while (At < _file.Length)
        {
            byte value = _file[At];
            if (value != 0xFF)
            {
                At++;
                return value;
            }

            if (At + 1 >= _file.Length || _file[At + 1] is not (0 or 0xFF))
                return -1;
            bool isData = _file[At + 1] == 0;
            At += isData ? 2 : 1;
            if (isData)
                return value;
        }

        return -1;
    }
}
