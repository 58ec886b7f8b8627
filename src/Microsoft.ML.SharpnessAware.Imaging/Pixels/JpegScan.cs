using System.Buffers.Binary;
using System.Numerics;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Reads the compressed data of a JPEG file as a decoder does, without making pixels of it, and finds what decoders warn about and
/// SkiaSharp does not tell: data that end before the image does, codes that do not exist, data left over. (ITU-T T.81: Huffman-coded
/// frames, baseline, extended and progressive.)
/// </summary>
/// <remarks>
/// It says nothing of what it does not know (arithmetic coding, tables that the file leaves out), which a decoder then judges alone. A
/// change that gives other values in as many bits leaves no trace in a JPEG file, whoever reads it.
/// </remarks>
internal sealed class JpegScan
{
    // Some cameras fill up to whole words, and whoever pads with zeros or ones may do so at any length.
    private const int MaxPadding = 4;

    // Reading fewer of them is faster than making tables for several codes at once.
    private const int UnitsWorthRuns = 500;

    private readonly JpegHuffmanTable?[] _dc = new JpegHuffmanTable?[4];
    private readonly JpegHuffmanTable?[] _ac = new JpegHuffmanTable?[4];
    private readonly List<Component> _components = [];
    private int _width;
    private int _height;
    private int _restartInterval;
    private bool _isProgressive;

    private JpegScan()
    {
    }

    /// <summary>Checks all scans of a file.</summary>
    /// <exception cref="InvalidDataException">The data are not those of a whole image.</exception>
    public static void Check(ReadOnlySpan<byte> file)
    {
        try
        {
            new JpegScan().Read(file);
        }
        catch (Exception exception) when (exception is ArgumentOutOfRangeException or IndexOutOfRangeException or InvalidOperationException)
        {
            // A header ends before what it must hold, or has nothing to hold. A decoder sees the same and judges it.
        }
    }

    private void Read(ReadOnlySpan<byte> file)
    {
        bool isAfterScan = false;
        for (int at = 2; NextMarker(file, ref at, out int skipped) is int marker and not 0xD9;)
        {
            if (isAfterScan && skipped > MaxPadding)
                throw new InvalidDataException($"the image is damaged: {skipped} bytes lie between its parts.");
            if (marker is 0x01 or (>= 0xD0 and <= 0xD8))
                continue;
            ReadOnlySpan<byte> segment = file.Slice(at + 2, BinaryPrimitives.ReadUInt16BigEndian(file[at..]) - 2);
            at += 2 + segment.Length;
            switch (marker)
            {
                case 0xC0 or 0xC1 or 0xC2:
                    ReadFrame(segment, isProgressive: marker == 0xC2);
                    break;
                case 0xC4:
                    ReadTables(segment);
                    break;
                case >= 0xC3 and <= 0xCF and not 0xC8 and not 0xCC:
                    return;
                case 0xDD:
                    _restartInterval = BinaryPrimitives.ReadUInt16BigEndian(segment);
                    break;
                case 0xDA:
                    if (_components.Count == 0 || ScanOf(segment) is not Scan scan)
                        return;
                    at = ReadScan(file, at, scan);
                    isAfterScan = true;
                    if (!_isProgressive && _components.TrueForAll(component => component.IsRead))
                        return; // whatever else is in the file is not of the image
                    break;
            }
        }

        if (_components.Exists(component => !component.IsRead))
            throw new InvalidDataException("the image is truncated: a component of its colours is missing.");
    }

    /// <summary>
    /// The next marker from <paramref name="at"/> on, which then is behind it, and how many bytes are before it; null at the end of the
    /// file.
    /// </summary>
    private static int? NextMarker(ReadOnlySpan<byte> file, ref int at, out int skipped)
    {
        skipped = 0;
        while (at + 1 < file.Length)
        {
            int found = file[at..].IndexOf((byte)0xFF);
            if (found < 0)
                break;
            at += found + 1;
            skipped += found;
            if (at < file.Length && file[at] is not (0 or 0xFF))
                return file[at++];
        }

        at = file.Length;
        return null;
    }

    private void ReadFrame(ReadOnlySpan<byte> segment, bool isProgressive)
    {
        _isProgressive = isProgressive;
        (_height, _width) = (BinaryPrimitives.ReadUInt16BigEndian(segment[1..]), BinaryPrimitives.ReadUInt16BigEndian(segment[3..]));
        _components.Clear();
        for (int i = 0; i < segment[5]; i++)
        {
            ReadOnlySpan<byte> component = segment.Slice(6 + (3 * i), 3);
            _components.Add(new Component(component[0], Math.Max(1, component[1] >> 4), Math.Max(1, component[1] & 15)));
        }

        int widest = _components.Max(component => component.Horizontal), highest = _components.Max(component => component.Vertical);
        foreach (Component component in _components)
        {
            // Blocks that the component's own pixels take, and blocks with those that fill up the last units of several components.
            component.Width = Divide(Divide(_width * component.Horizontal, widest), 8);
            component.Height = Divide(Divide(_height * component.Vertical, highest), 8);
            component.FullWidth = Divide(_width, 8 * widest) * component.Horizontal;
            int fullHeight = Divide(_height, 8 * highest) * component.Vertical;
            if (isProgressive)
                component.NotZero = new ulong[component.FullWidth * fullHeight];
        }
    }

    private static int Divide(int value, int by) => (value + by - 1) / by;

    private void ReadTables(ReadOnlySpan<byte> segment)
    {
        while (segment.Length > 0)
        {
            bool isAc = segment[0] >> 4 != 0;
            ReadOnlySpan<byte> counts = segment.Slice(1, 16);
            int values = 0;
            foreach (byte count in counts)
                values += count;
            (isAc ? _ac : _dc)[segment[0] & 3] = new JpegHuffmanTable(counts, segment.Slice(17, values), isAc);
            segment = segment[(17 + values)..];
        }
    }

    /// <summary>The scan of a header; null where it cannot be followed.</summary>
    private Scan? ScanOf(ReadOnlySpan<byte> header)
    {
        int count = header[0];
        var components = new Component[count];
        for (int i = 0; i < count; i++)
        {
            int id = header[1 + (2 * i)], tables = header[2 + (2 * i)];
            if (_components.Find(component => component.Id == id) is not Component component)
                return null;
            components[i] = component;
            (component.Dc, component.Ac) = (_dc[(tables >> 4) & 3], _ac[tables & 3]);
        }

        int start = _isProgressive ? header[1 + (2 * count)] : 0, end = _isProgressive ? header[2 + (2 * count)] : 63;
        int approximation = _isProgressive ? header[3 + (2 * count)] : 0;
        var scan = new Scan(components, start, end, IsRefinement: approximation >> 4 != 0);
        bool needsDc = start == 0 && !scan.IsRefinement, needsAc = end > 0;
        bool canFollow = count > 0 && start <= end && end <= 63 && (!_isProgressive || start == 0 == (end == 0))
            && (start == 0 || count == 1)
            && components.All(component => (component.Dc is not null || !needsDc) && (component.Ac is not null || !needsAc));
        return canFollow ? scan : null;
    }

    /// <summary>Reads the data of a scan from <paramref name="at"/> on; returns where they end.</summary>
    private int ReadScan(ReadOnlySpan<byte> file, int at, Scan scan)
    {
        Component first = scan.Components[0];
        bool single = scan.Components.Length == 1;
        int unitsWide = single ? first.Width : first.FullWidth / first.Horizontal;
        int unitsHigh = single ? first.Height : Divide(_height, 8 * _components.Max(component => component.Vertical));
        long units = (long)unitsWide * unitsHigh, left = units;
        if (units > UnitsWorthRuns && !_isProgressive)
        {
            foreach (Component component in scan.Components)
                component.Ac!.PrepareRuns();
        }

        var bits = new JpegBits(file, at);
        int skipped = 0; // blocks that a code of this scan said are at their end already
        int restarts = 0, untilRestart = _restartInterval;
        for (int y = 0; y < unitsHigh; y++)
        {
            for (int x = 0; x < unitsWide; x++, left--)
            {
                if (_restartInterval > 0 && untilRestart-- == 0)
                {
                    Finish(ref bits, units - left, units);
                    if (NextMarker(file, ref bits.At, out _) != 0xD0 + (restarts++ & 7))
                        throw Error("a restart marker is missing", units - left, units);
                    bits = new JpegBits(file, bits.At);
                    (skipped, untilRestart) = (0, _restartInterval - 1);
                }

                bool isGood = single
                    ? ReadBlock(ref bits, first, (y * first.FullWidth) + x, scan, ref skipped)
                    : ReadUnit(ref bits, x, y, scan, ref skipped);
                if (!isGood)
                    throw Error(bits.IsAtEnd ? "its data end too early" : "its data have a code that does not exist", units - left, units);
            }
        }

        Finish(ref bits, units, units);
        foreach (Component component in scan.Components)
            component.IsRead |= scan.Start == 0;
        return bits.At;
    }

    private static bool ReadUnit(ref JpegBits bits, int x, int y, Scan scan, ref int skipped)
    {
        foreach (Component component in scan.Components)
        {
            for (int v = 0; v < component.Vertical; v++)
            {
                int block = (((y * component.Vertical) + v) * component.FullWidth) + (x * component.Horizontal);
                for (int h = 0; h < component.Horizontal; h++)
                {
                    if (!ReadBlock(ref bits, component, block + h, scan, ref skipped))
                        return false;
                }
            }
        }

        return true;
    }

    private static bool ReadBlock(ref JpegBits bits, Component component, int block, Scan scan, ref int skipped)
    {
        if (component.NotZero is not ulong[] notZero)
            return bits.SkipBlock(component.Dc!, component.Ac!);
        if (scan.Start == 0)
            return scan.IsRefinement ? bits.Take(1) >= 0 : bits.Skip(component.Dc!);
        return scan.IsRefinement
            ? Refine(ref bits, component.Ac!, ref notZero[block], scan, ref skipped)
            : ReadBand(ref bits, component.Ac!, ref notZero[block], scan, ref skipped);
    }

    /// <summary>The first pass over some coefficients of a progressive frame (T.81 G.1.2.2).</summary>
    private static bool ReadBand(ref JpegBits bits, JpegHuffmanTable table, ref ulong notZero, Scan scan, ref int skipped)
    {
        if (skipped > 0)
        {
            skipped--;
            return true;
        }

        for (int k = scan.Start; k <= scan.End; k++)
        {
            int symbol = bits.Symbol(table), run = symbol >> 4, size = symbol & 15;
            if (symbol < 0)
                return false;
            if (size == 0 && run < 15)
                return ReadSkipped(ref bits, run, ref skipped);
            k += run;
            if (size == 0)
                continue;
            if (k > scan.End || bits.Take(size) < 0)
                return false;
            notZero |= 1UL << k;
        }

        return true;
    }

    /// <summary>One more bit of some coefficients (T.81 G.1.2.3): every one that is not zero yet has a bit, wherever it comes
    /// along.</summary>
    private static bool Refine(ref JpegBits bits, JpegHuffmanTable table, ref ulong notZero, Scan scan, ref int skipped)
    {
        int k = scan.Start;
        bool ends = skipped > 0;
        if (ends)
            skipped--;
        for (; !ends && k <= scan.End; k++)
        {
            int symbol = bits.Symbol(table), run = symbol >> 4, size = symbol & 15;
            if (symbol < 0 || size > 1)
                return false;
            if (size == 0 && run < 15)
            {
                if (!ReadSkipped(ref bits, run, ref skipped))
                    return false;
                ends = true;
                break;
            }

            if (size == 1 && bits.Take(1) < 0)
                return false;
            for (; k <= scan.End; k++)
            {
                if ((notZero & (1UL << k)) == 0)
                {
                    if (--run < 0)
                        break;
                }
                else if (bits.Take(1) < 0)
                {
                    return false;
                }
            }

            if (size == 1 && k > scan.End)
                return false;
            if (size == 1)
                notZero |= 1UL << k;
        }

        ulong rest = k > 63 ? 0 : notZero & (ulong.MaxValue << k) & (ulong.MaxValue >> (63 - scan.End));
        for (int left = BitOperations.PopCount(rest); left > 0; left--)
        {
            if (bits.Take(1) < 0)
                return false;
        }

        return true;
    }

    private static bool ReadSkipped(ref JpegBits bits, int length, ref int skipped)
    {
        int extra = bits.Take(length);
        skipped = (1 << length) + extra - 1;
        return extra >= 0;
    }

    /// <summary>Goes to the next marker; what lies before it may be padding only.</summary>
    private static void Finish(ref JpegBits bits, long read, long units)
    {
        (int count, bool isPadding) = bits.Rest();
        if (count > MaxPadding && !isPadding)
            throw Error($"{count} bytes of its data are left over", read, units);
    }

    private static InvalidDataException Error(string what, long read, long units) =>
        new($"the image is damaged or truncated: {what}, after {read} of {units} blocks.");

    private sealed class Component(int id, int horizontal, int vertical)
    {
        public int Id => id;

        /// <summary>Blocks of this component in a unit of several, across.</summary>
        public int Horizontal => horizontal;

        public int Vertical => vertical;

        public int Width { get; set; }

        public int Height { get; set; }

        public int FullWidth { get; set; }

        public JpegHuffmanTable? Dc { get; set; }

        public JpegHuffmanTable? Ac { get; set; }

        /// <summary>For each block of a progressive frame which coefficients are not zero.</summary>
        public ulong[]? NotZero { get; set; }

        public bool IsRead { get; set; }
    }

    private sealed record Scan(Component[] Components, int Start, int End, bool IsRefinement);
}
