namespace Microsoft.ML.SharpnessAware;

/// <summary>A Huffman table of a JPEG file, with the length of the value that follows a code added to that of the code.</summary>
internal sealed class JpegHuffmanTable
{
    public const int LookupBits = 10;

    /// <summary>In the upper byte of a step: it is the last of its block.</summary>
    public const int EndOfBlock = 0x80;

    private const int RunBits = 12;

    private readonly int[] _ends = new int[18]; // the first code that is too large for a length, in 16 bits
    private readonly int[] _offsets = new int[17];
    private readonly int[] _firsts = new int[18]; // the index of the first code of a length
    private readonly byte[] _values;

    /// <param name="counts">How many codes there are of each length from 1 to 16.</param>
    /// <param name="values">Their values, in the order of the codes.</param>
    /// <param name="isAc">Whether a value tells run and size of a coefficient, or the size of the difference to the last block.</param>
    public JpegHuffmanTable(ReadOnlySpan<byte> counts, ReadOnlySpan<byte> values, bool isAc)
    {
        _values = values.ToArray();
        Runs = Steps;
        int code = 0, index = 0;
        for (int length = 1; length <= 16; length++)
        {
            _offsets[length] = index - code;
            _firsts[length] = index;
            for (int i = 0; i < counts[length - 1]; i++, code++, index++)
            {
                if (length <= LookupBits)
                    AddLookups(code, length, values[index], isAc);
            }

            _ends[length] = Math.Min(code << (16 - length), 1 << 16);
            code <<= 1;
        }

        _ends[17] = int.MaxValue;
        _firsts[17] = index;
    }

    /// <summary>
    /// For what follows in <see cref="LookupBits"/> bits: the bits of a code and its value in the lower byte, and in the upper one how many
    /// coefficients they are for, or <see cref="EndOfBlock"/>; 0 where the code is longer.
    /// </summary>
    public ushort[] Steps { get; } = new ushort[1 << LookupBits];

    /// <summary>
    /// Likewise for several codes together, as many as can be told from the bits that follow, up to the end of a block; before
    /// <see cref="PrepareRuns"/> for one.
    /// </summary>
    public ushort[] Runs { get; private set; }

    /// <summary>For what follows in <see cref="LookupBits"/> bits, value and length of the code as <see cref="Find"/> gives them, in the
    /// upper and in the lower byte; 0 where the code is longer.</summary>
    public ushort[] Symbols { get; } = new ushort[1 << LookupBits];

    /// <summary>How far the next 64 bits are to be shifted to be an index of <see cref="Runs"/>.</summary>
    public int RunShift { get; private set; } = 64 - LookupBits;

    /// <summary>The code that <paramref name="next"/>, 16 bits, begins with: its value and its length; a value of -1 for none.</summary>
    public (int Value, int Length) Find(int next)
    {
        int length = 1;
        while (next >= _ends[length])
            length++;
        int index = length > 16 ? -1 : (next >> (16 - length)) + _offsets[length];
        return (uint)index < (uint)_values.Length ? (_values[index], length) : (-1, 16);
    }

    /// <summary>Bits and coefficients of a code of this length with this value.</summary>
    public static ushort Step(int length, int value, bool isAc)
    {
        int size = isAc ? value & 15 : Math.Min(value, 16);
        int coefficients = !isAc || size > 0 || value == 0xF0 ? (value >> 4) + 1 : EndOfBlock;
        return (ushort)((coefficients << 8) | (length + size));
    }

    /// <summary>Makes <see cref="Runs"/>, which takes about as long as reading some hundred blocks.</summary>
    public void PrepareRuns()
    {
        if (Runs != Steps)
            return;
        // A code and its value, and then whatever the bits left over may be: from tables for few bits to the one for all.
        ushort[] runs = [0];
        var shorter = new ushort[RunBits + 1][];
        shorter[0] = runs;
        for (int bits = 1; bits <= RunBits; bits++)
            shorter[bits] = runs = MakeRuns(bits, shorter);
        (Runs, RunShift) = (runs, 64 - RunBits);
    }

    private static void Add(ushort step, ReadOnlySpan<ushort> next, Span<ushort> runs)
    {
        // Not more coefficients than a block has, so that their number is no end of a block.
        int room = 64 << 8;
        for (int i = 0; i < next.Length; i++)
        {
            int sum = step + next[i];
            runs[i] = (sum & ~(EndOfBlock << 8)) < room ? (ushort)sum : step;
        }
    }

    private ushort[] MakeRuns(int bits, ushort[][] shorter)
    {
        var runs = new ushort[1 << bits];
        int at = 0;
        for (int length = 1, index = 0; length <= bits; length++)
        {
            int size = 1 << (bits - length);
            for (; index < _firsts[length + 1] && at + size <= runs.Length; index++, at += size)
            {
                ushort step = Step(length, _values[index], isAc: true);
                Span<ushort> part = runs.AsSpan(at, size);
                int left = bits - (step & 0xFF);
                if (left <= 0 || step >> 8 == EndOfBlock)
                {
                    part.Fill(step);
                    continue;
                }

                for (; part.Length > 0; part = part[(1 << left)..])
                    Add(step, shorter[left], part[..(1 << left)]);
            }
        }

        return runs;
    }

    private void AddLookups(int code, int length, byte value, bool isAc)
    {
        int first = code << (LookupBits - length);
        if (first >= Steps.Length)
            return;
        int count = Math.Min(1 << (LookupBits - length), Steps.Length - first);
        Steps.AsSpan(first, count).Fill(Step(length, value, isAc));
        Symbols.AsSpan(first, count).Fill((ushort)((value << 8) | length));
    }
}
