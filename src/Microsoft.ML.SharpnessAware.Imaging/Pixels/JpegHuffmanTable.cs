namespace Microsoft.ML.SharpnessAware;

/// <summary>A Huffman table of a JPEG file, with the length of the value that follows a code added to that of the code.</summary>
internal sealed class JpegHuffmanTable
{
    public const int LookupBits = 10;

    private readonly int[] _ends = new int[18]; // the first code that is too large for a length, in 16 bits
    private readonly int[] _offsets = new int[17];
    private readonly byte[] _values;

    /// <param name="counts">How many codes there are of each length from 1 to 16.</param>
    /// <param name="values">Their values, in the order of the codes.</param>
    /// <param name="isAc">Whether a value tells run and size of a coefficient, or the size of the difference to the last block.</param>
    public JpegHuffmanTable(ReadOnlySpan<byte> counts, ReadOnlySpan<byte> values, bool isAc)
    {
        _values = values.ToArray();
        int code = 0, index = 0;
        for (int length = 1; length <= 16; length++)
        {
            _offsets[length] = index - code;
            for (int i = 0; i < counts[length - 1]; i++, code++, index++)
            {
                if (length <= LookupBits)
                    AddLookups(code, length, values[index], isAc);
            }

            _ends[length] = Math.Min(code << (16 - length), 1 << 16);
            code <<= 1;
        }

        _ends[17] = int.MaxValue;
    }

    /// <summary>
    /// For what follows in <see cref="LookupBits"/> bits: the bits of a code and its value in the lower byte, and in the upper one how many
    /// coefficients they are for; 0 where the code is longer.
    /// </summary>
    public ushort[] Steps { get; } = new ushort[1 << LookupBits];

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
        int coefficients = !isAc || size > 0 || value == 0xF0 ? (value >> 4) + 1 : 64;
        return (ushort)((coefficients << 8) | (length + size));
    }

    private void AddLookups(int code, int length, byte value, bool isAc)
    {
        int first = code << (LookupBits - length);
        if (first < Steps.Length)
            Steps.AsSpan(first, Math.Min(1 << (LookupBits - length), Steps.Length - first)).Fill(Step(length, value, isAc));
    }
}
