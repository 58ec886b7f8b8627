using System.Buffers.Binary;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A segment of a JPEG file: its marker's second byte, and what it holds, as much of that as there is.</summary>
internal readonly ref struct JpegSegment(byte marker, ReadOnlySpan<byte> content)
{
    public byte Marker => marker;

    public ReadOnlySpan<byte> Content { get; } = content;
}

/// <summary>
/// The segments of a JPEG file up to its first scan, for foreach. Bytes that belong to none are passed over, as decoders do.
/// </summary>
internal ref struct JpegSegments(ReadOnlySpan<byte> file)
{
    private const byte StartOfScan = 0xDA, EndOfImage = 0xD9;

    private readonly ReadOnlySpan<byte> _file = file;
    private int _at = 2;
    private JpegSegment _current;

    public readonly JpegSegment Current => _current;

    public readonly JpegSegments GetEnumerator() => this;

    public bool MoveNext()
    {
        while (_at < _file.Length)
        {
            int found = _file[_at..].IndexOf((byte)0xFF);
            if (found < 0 || _at + found + 4 > _file.Length)
                return false;
            _at += found + 1;
            byte marker = _file[_at];
            if (marker is StartOfScan or EndOfImage)
                return false;
            if (marker is 0 or 1 or 0xFF or (>= 0xD0 and <= 0xD8)) // no markers, one that fills up, or of no length
                continue;
            int length = Math.Max(0, BinaryPrimitives.ReadUInt16BigEndian(_file[(_at + 1)..]) - 2);
            _at += 3;
            _current = new JpegSegment(marker, _file.Slice(_at, Math.Min(length, _file.Length - _at)));
            _at += _current.Content.Length;
            return true;
        }

        return false;
    }
}
