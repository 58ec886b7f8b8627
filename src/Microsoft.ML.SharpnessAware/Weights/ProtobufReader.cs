using System.Buffers.Binary;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The fields of a message in protobuf's wire format, one after the other. Nothing is copied, and every length is checked, so that a
/// damaged message costs no memory.
/// </summary>
/// <remarks>Google.Protobuf reads it as well, but copies each nested message: of 64 MB of weights, three times over.</remarks>
internal ref struct ProtobufReader(ReadOnlySpan<byte> message)
{
    private readonly ReadOnlySpan<byte> _message = message;
    private int _position;
    private Kind _kind;
    private ulong _number;
    private ReadOnlySpan<byte> _bytes;

    private enum Kind
    {
        Varint = 0,
        Fixed64 = 1,
        Bytes = 2,
        Fixed32 = 5,
    }

    /// <summary>The number of the current field.</summary>
    public int Field { get; private set; }

    /// <summary>The value of a field of type int32, int64 or enum.</summary>
    public readonly long Integer => _kind == Kind.Varint ? (long)_number : throw WrongKind();

    /// <summary>The value of a field of type float.</summary>
    public readonly float Float => _kind == Kind.Fixed32 ? BinaryPrimitives.ReadSingleLittleEndian(_bytes) : throw WrongKind();

    /// <summary>The content of a field that is text, bytes, a message or packed numbers.</summary>
    public readonly ReadOnlySpan<byte> Bytes => _kind == Kind.Bytes ? _bytes : throw WrongKind();

    /// <summary>Where <see cref="Bytes"/> begin in the message.</summary>
    public readonly int BytesStart => _position - _bytes.Length;

    /// <summary>Goes to the next field; false at the end of the message.</summary>
    /// <exception cref="InvalidDataException">The message is not in this format.</exception>
    public bool MoveNext()
    {
        if (_position == _message.Length)
            return false;
        ulong key = ReadVarint();
        (Field, _kind) = ((int)Math.Min(key >> 3, int.MaxValue), (Kind)(key & 7));
        _number = 0;
        _bytes = default;
        switch (_kind)
        {
            case Kind.Varint:
                _number = ReadVarint();
                break;
            case Kind.Fixed64:
                _bytes = Take(sizeof(ulong));
                break;
            case Kind.Bytes:
                _bytes = Take(ReadVarint());
                break;
            case Kind.Fixed32:
                _bytes = Take(sizeof(uint));
                break;
            default:
                throw new InvalidDataException($"A field has the kind {(int)_kind}, which there is not.");
        }

        return Field > 0 ? true : throw new InvalidDataException("A field has the number 0, which there is not.");
    }

    /// <summary>Adds the current field's value, or values where they are packed, to a list of whole numbers.</summary>
    public readonly void AddIntegersTo(List<long> numbers, int most)
    {
        if (_kind == Kind.Varint)
        {
            Add(numbers, _number);
            return;
        }

        var packed = new ProtobufReader(Bytes);
        while (packed._position < packed._message.Length)
            Add(numbers, packed.ReadVarint());

        void Add(List<long> list, ulong number)
        {
            if (list.Count == most)
                throw new InvalidDataException($"There are more than {most} numbers where at most so many are expected.");
            list.Add((long)number);
        }
    }

    private ReadOnlySpan<byte> Take(ulong length)
    {
        int rest = _message.Length - _position;
        if (length > (ulong)rest)
            throw new InvalidDataException($"A field claims {length} bytes, and only {rest} follow: the file is cut short or damaged.");
        ReadOnlySpan<byte> taken = _message.Slice(_position, (int)length);
        _position += (int)length;
        return taken;
    }

    // Seven bits a byte, the lowest first; at most ten bytes.
    private ulong ReadVarint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            if (_position == _message.Length)
                throw new InvalidDataException("The file ends within a number: it is cut short or damaged.");
            byte next = _message[_position++];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
                return value;
        }

        throw new InvalidDataException("A number has more than ten bytes: the file is damaged.");
    }

    private static InvalidDataException WrongKind() => new("A field is of another kind than ONNX has there: the file is damaged.");
}
