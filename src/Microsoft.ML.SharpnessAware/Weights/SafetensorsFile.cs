using System.Buffers.Binary;
using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Named tensors in the safetensors format: the header's length (8 bytes, little-endian), a JSON header that gives each tensor's element
/// type, shape and byte range, then the elements, little-endian and row-major. Reading trusts nothing: every size is checked before
/// memory is taken for it, and the file holds data only, never code.
/// </summary>
/// <remarks>Element types: F64, F32, F16, BF16, I64, I32, I16, I8, U8 and BOOL.</remarks>
internal static class SafetensorsFile
{
    private const int LengthSize = sizeof(ulong);
    private const int MaximumHeaderLength = 100_000_000;
    private const int MaximumDimensions = 64;
    private const int MaximumNameLength = 1000;
    private const int LongestElementTypeShown = 20;
    private const int BufferSize = 64 * 1024;
    private const int PieceSize = 16 * 1024 * 1024;
    private const string MetadataName = "__metadata__";

    private static readonly (string Name, ScalarType Type)[] ElementTypes =
    [
        ("F64", ScalarType.Float64), ("F32", ScalarType.Float32), ("F16", ScalarType.Float16), ("BF16", ScalarType.BFloat16),
        ("I64", ScalarType.Int64), ("I32", ScalarType.Int32), ("I16", ScalarType.Int16), ("I8", ScalarType.Int8), ("U8", ScalarType.Byte),
        ("BOOL", ScalarType.Bool),
    ];

    /// <summary>Writes the tensors, of any device and memory layout, and leaves the stream open.</summary>
    /// <param name="stream">Where to write; need not be seekable.</param>
    /// <param name="tensors">The tensors by name. Their order is kept, except that types of larger elements come first, so that every
    /// tensor lies at a multiple of its element size and readers can map it.</param>
    /// <param name="metadata">Free text by name, or null.</param>
    /// <exception cref="ArgumentException">An element type that the format lacks, the reserved name "__metadata__", or a name that would
    /// not be read.</exception>
    internal static void Write(
        Stream stream, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        using IDisposable noGradient = no_grad();
        var ordered = tensors.OrderByDescending(tensor => tensor.Value.ElementSize).ToList();
        stream.Write(Header(ordered, metadata));
        foreach ((_, Tensor tensor) in ordered)
        {
            using DisposeScope scope = NewDisposeScope();
            tensor.cpu().contiguous().WriteBytesToStream(stream, BufferSize);
        }
    }

    /// <summary>Reads a file to its end into new CPU tensors, which the caller disposes.</summary>
    /// <param name="stream">The file, from its first byte to the stream's end; need not be seekable.</param>
    /// <param name="length">The file's length in bytes where the stream cannot tell it; null if unknown.</param>
    /// <exception cref="InvalidDataException">The file is not well-formed; the message says where.</exception>
    internal static Dictionary<string, Tensor> Read(Stream stream, long? length = null) => Read(stream, length, out _);

    /// <summary>As <see cref="Read(Stream, long?)"/>, with the file's free text by name.</summary>
    internal static Dictionary<string, Tensor> Read(Stream stream, long? length, out IReadOnlyDictionary<string, string> metadata)
    {
        if (stream.CanSeek)
            length = stream.Length - stream.Position;
        byte[] header = ReadHeader(stream, length);
        List<Entry> entries = ParseHeader(header, out metadata);
        CheckRanges(entries, dataLength: length - LengthSize - header.Length);

        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGradient = no_grad();
        var tensors = new Dictionary<string, Tensor>(entries.Count);
        foreach (Entry entry in entries)
            tensors.Add(entry.Name, ReadTensor(stream, entry, lengthIsKnown: length is not null));
        if (stream.ReadByte() >= 0)
            throw new InvalidDataException("The file continues after the last tensor that its header describes.");
        scope.MoveToOuter(tensors.Values);
        return tensors;
    }

    /// <summary>Why a tensor cannot be written, a sentence; null where it can.</summary>
    internal static string? Obstacle(string name, ScalarType type)
    {
        if (name == MetadataName)
            return $"A tensor cannot be named {MetadataName}.";
        if (name.Length > MaximumNameLength)
        {
            return $"The name of a tensor, '{name[..MaximumNameLength]}…', has {name.Length} characters, and at most " +
                $"{MaximumNameLength} can be stored.";
        }

        return NameOf(type) is null ? $"Tensor '{name}' is of type {type}, which cannot be stored." : null;
    }

    private static string? NameOf(ScalarType type) => Array.Find(ElementTypes, each => each.Type == type).Name;

    private static byte[] Header(List<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        using var buffer = new MemoryStream();
        buffer.Write(stackalloc byte[LengthSize]);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            if (metadata is not null)
            {
                json.WriteStartObject(MetadataName);
                foreach ((string name, string text) in metadata)
                    json.WriteString(name, text);
                json.WriteEndObject();
            }

            long offset = 0;
            foreach ((string name, Tensor tensor) in tensors)
            {
                if (Obstacle(name, tensor.dtype) is string obstacle)
                    throw new ArgumentException(obstacle, nameof(tensors));
                json.WriteStartObject(name);
                json.WriteString("dtype", NameOf(tensor.dtype));
                json.WriteStartArray("shape");
                foreach (long size in tensor.shape)
                    json.WriteNumberValue(size);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                json.WriteNumberValue(offset += tensor.NumberOfElements * tensor.ElementSize);
                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        while (buffer.Length % LengthSize != 0)
            buffer.WriteByte((byte)' ');
        byte[] header = buffer.ToArray();
        BinaryPrimitives.WriteInt64LittleEndian(header, header.Length - LengthSize);
        return header;
    }

    private static byte[] ReadHeader(Stream stream, long? fileLength)
    {
        Span<byte> lengthBytes = stackalloc byte[LengthSize];
        if (stream.ReadAtLeast(lengthBytes, LengthSize, throwOnEndOfStream: false) < LengthSize)
            throw new InvalidDataException("The file is too short for a safetensors file: it ends within the header's length.");
        ulong headerLength = BinaryPrimitives.ReadUInt64LittleEndian(lengthBytes);
        if (headerLength > MaximumHeaderLength)
        {
            throw new InvalidDataException(
                $"The header claims {headerLength} bytes, and at most {MaximumHeaderLength} are allowed. This is not a safetensors file.");
        }

        if (fileLength is { } known && (long)headerLength > known - LengthSize)
            throw new InvalidDataException($"The header claims {headerLength} bytes, and only {known - LengthSize} follow its length.");

        // Grows with what is really there, because a stream of unknown length may hold less than it claims.
        using var header = new MemoryStream();
        byte[] buffer = new byte[BufferSize];
        while (header.Length < (long)headerLength)
        {
            int count = stream.Read(buffer, 0, (int)Math.Min(buffer.Length, (long)headerLength - header.Length));
            if (count == 0)
                throw new InvalidDataException($"The file ends within its header, after {header.Length} of {headerLength} bytes.");
            header.Write(buffer, 0, count);
        }

        return header.ToArray();
    }

    private static List<Entry> ParseHeader(byte[] header, out IReadOnlyDictionary<string, string> metadata)
    {
        if (header is not [(byte)'{', ..])
            throw new InvalidDataException("The header is not a JSON object. This is not a safetensors file.");
        try
        {
            using JsonDocument document = JsonDocument.Parse(header, new JsonDocumentOptions { AllowDuplicateProperties = false });
            var entries = new List<Entry>();
            metadata = new Dictionary<string, string>();
            foreach (JsonProperty property in document.RootElement.EnumerateObject())
            {
                if (property.Name == MetadataName)
                    metadata = ParseMetadata(property.Value);
                else
                    entries.Add(ParseEntry(property.Name, property.Value));
            }

            return entries;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: text that is not valid Unicode, found only when the text is fetched.
            throw new InvalidDataException($"The header is not valid JSON: {exception.Message}", exception);
        }
    }

    private static Dictionary<string, string> ParseMetadata(JsonElement metadata)
    {
        if (metadata.ValueKind != JsonValueKind.Object || metadata.EnumerateObject().Any(p => p.Value.ValueKind != JsonValueKind.String))
            throw new InvalidDataException($"The header's {MetadataName} is not an object of texts.");
        return metadata.EnumerateObject().ToDictionary(property => property.Name, property => property.Value.GetString()!);
    }

    private static Entry ParseEntry(string name, JsonElement json)
    {
        // Before anything is made of it: names are compared with many others, and stand in errors.
        if (name.Length > MaximumNameLength)
        {
            throw new InvalidDataException(
                $"The name of a tensor has {name.Length} characters, and at most {MaximumNameLength} are allowed.");
        }
        if (json.ValueKind != JsonValueKind.Object)
            throw Invalid("is not described by an object");
        if (!json.TryGetProperty("dtype", out JsonElement dtype) || dtype.ValueKind != JsonValueKind.String)
            throw Invalid("has no dtype");
        string elementType = dtype.GetString()!;
        int index = Array.FindIndex(ElementTypes, type => type.Name == elementType);
        if (index < 0)
        {
            string shown = elementType.Length <= LongestElementTypeShown ? $", '{elementType}'" : "";
            throw Invalid($"has an unknown dtype{shown}; known are {string.Join(", ", ElementTypes.Select(t => t.Name))}");
        }
        ScalarType type = ElementTypes[index].Type;

        long[] shape = Numbers("shape");
        if (shape.Any(size => size < 0))
            throw Invalid($"has a negative size in its shape [{string.Join(", ", shape)}]");
        if (Numbers("data_offsets") is not [long begin, long end] || begin < 0 || end < begin)
            throw Invalid("has data_offsets that are not a begin and an end");

        long bytes = type.ElementSize();
        try
        {
            // Zeros are left out at first, so that the remaining sizes cannot overflow torch's strides either.
            bytes = shape.Aggregate(bytes, (product, size) => checked(product * Math.Max(size, 1)));
        }
        catch (OverflowException)
        {
            throw Invalid($"has a shape, [{string.Join(", ", shape)}], that is too large");
        }

        if (shape.Contains(0))
            bytes = 0;
        if (bytes != end - begin)
            throw Invalid($"of shape [{string.Join(", ", shape)}] and type {elementType} takes {bytes} bytes, not {end - begin}");
        return new Entry(name, type, shape, begin, end);

        long[] Numbers(string property)
        {
            if (!json.TryGetProperty(property, out JsonElement array) || array.ValueKind != JsonValueKind.Array)
                throw Invalid($"has no {property}");
            if (array.GetArrayLength() > MaximumDimensions)
                throw Invalid($"has {property} of {array.GetArrayLength()} numbers; at most {MaximumDimensions} are allowed");
            long[] numbers = new long[array.GetArrayLength()];
            for (int i = 0; i < numbers.Length; i++)
            {
                if (array[i].ValueKind != JsonValueKind.Number || !array[i].TryGetInt64(out numbers[i]))
                    throw Invalid($"has {property} with something other than whole numbers of at most 64 bits");
            }

            return numbers;
        }

        InvalidDataException Invalid(string problem) => new($"Tensor '{name}' {problem}.");
    }

    private static void CheckRanges(List<Entry> entries, long? dataLength)
    {
        entries.Sort(static (a, b) => (a.Begin, a.End).CompareTo((b.Begin, b.End)));
        long position = 0;
        foreach (Entry entry in entries)
        {
            if (entry.Begin != position)
            {
                string problem = entry.Begin < position ? "overlaps the tensor before it" : "leaves a hole before it";
                throw new InvalidDataException(
                    $"Tensor '{entry.Name}' {problem}: it begins at byte {entry.Begin} of the data and should begin at {position}.");
            }

            position = entry.End;
        }

        if (dataLength is { } known && position != known)
        {
            throw new InvalidDataException(
                $"The header describes {position} bytes of data, and the file has {known}. It is cut short or damaged.");
        }
    }

    private static Tensor ReadTensor(Stream stream, Entry entry, bool lengthIsKnown)
    {
        using DisposeScope scope = NewDisposeScope();
        // Where the length is unknown, large tensors are read in pieces: memory grows with what is really there.
        long elements = (entry.End - entry.Begin) / entry.Type.ElementSize();
        long piece = lengthIsKnown ? elements : PieceSize / entry.Type.ElementSize();
        var pieces = new List<Tensor>();
        for (long done = 0; done < elements; done += piece)
            pieces.Add(ReadElements(stream, entry, Math.Min(piece, elements - done)));
        Tensor flat = pieces switch { [] => empty(0, dtype: entry.Type, device: CPU), [Tensor whole] => whole, _ => cat(pieces) };
        return flat.view(entry.Shape).MoveToOuterDisposeScope();
    }

    private static Tensor ReadElements(Stream stream, Entry entry, long count)
    {
        bool isBool = entry.Type == ScalarType.Bool;
        Tensor elements = empty(count, dtype: isBool ? ScalarType.Byte : entry.Type, device: CPU);
        try
        {
            elements.ReadBytesFromStream(stream, BufferSize);
        }
        catch (EndOfStreamException)
        {
            throw new InvalidDataException($"The file ends within tensor '{entry.Name}'.");
        }

        if (!isBool)
            return elements;
        if (elements.gt(FixedScalars.One).any().item<bool>())
            throw new InvalidDataException($"Tensor '{entry.Name}' of type BOOL holds bytes other than 0 and 1.");
        return elements.to(ScalarType.Bool);
    }

    /// <summary>One tensor of the header; its elements take the bytes from Begin to before End of the data.</summary>
    private sealed record Entry(string Name, ScalarType Type, long[] Shape, long Begin, long End);
}
