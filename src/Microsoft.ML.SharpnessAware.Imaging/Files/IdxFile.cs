using System.Buffers.Binary;
using System.IO.Compression;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Reads the IDX files of the MNIST family: a big-endian header (two zeros, the type 8 for bytes, the number of dimensions, then the
/// dimensions) and the bytes, gzip-compressed or not. Sizes are checked against the file before memory is reserved for them.
/// </summary>
internal static class IdxFile
{
    /// <param name="environment">Where a warning goes.</param>
    /// <param name="imagesPath">The images.</param>
    /// <param name="labelsPath">The labels.</param>
    /// <param name="transposed">Whether the file has each image column by column, as EMNIST's have.</param>
    public static IDataView Load(IHostEnvironment environment, string imagesPath, string labelsPath, bool transposed)
    {
        if (!transposed && Path.GetFileName(imagesPath).Contains("emnist", StringComparison.OrdinalIgnoreCase))
        {
            using IChannel channel = environment.Register(nameof(IdxFile)).Start("Read IDX");
            channel.Warning($"'{imagesPath}' is taken as it is stored. EMNIST's files hold each image column by column; transposed: true " +
                "turns it upright.");
        }

        (ByteItems images, int[] size) = Read(imagesPath, itemDimensions: 2, "images");
        (ByteItems labels, _) = Read(labelsPath, itemDimensions: 0, "labels");
        if (images.Count != labels.Count)
            throw Error(labelsPath, $"it has {labels.Count} labels, '{imagesPath}' has {images.Count} images");
        (int height, int width) = (size[0], size[1]);
        if (transposed)
        {
            images.Change(image => Transpose(image, height, width));
            (height, width) = (width, height);
        }

        return PixelDataView.Create(environment, new ImageShape(1, height, width), images, labels.Concatenated());
    }

    private static void Transpose(Span<byte> image, int height, int width)
    {
        byte[] stored = image.ToArray();
        for (int i = 0; i < stored.Length; i++)
            image[(i % width * height) + (i / width)] = stored[i];
    }

    private static (ByteItems Items, int[] Size) Read(string path, int itemDimensions, string what)
    {
        using FileStream file = File.OpenRead(path);
        bool compressed = file.ReadByte() == 0x1F && file.ReadByte() == 0x8B;
        file.Position = 0;
        using Stream stream = compressed ? new GZipStream(file, CompressionMode.Decompress) : file;
        try
        {
            (int count, int[] size) = ReadHeader(stream, path, itemDimensions, what);
            long itemBytes = size.Aggregate(1L, (product, side) => product * side);
            CheckLength(path, file.Length, compressed, headerBytes: 8 + (4 * itemDimensions), count * itemBytes);
            ByteItems items = ByteItems.Read(stream, count, (int)itemBytes);
            return stream.ReadByte() < 0 ? (items, size) : throw Error(path, $"there is more in it than the {count} {what} of its header");
        }
        catch (EndOfStreamException)
        {
            throw Error(path, $"it is truncated: it ends before the last of its {what}");
        }
        catch (InvalidDataException exception) when (!exception.Message.Contains(path, StringComparison.Ordinal))
        {
            throw Error(path, $"its gzip data is damaged or truncated. {exception.Message}"); // GZipStream does not know the file
        }
    }

    private static (int Count, int[] Size) ReadHeader(Stream stream, string path, int itemDimensions, string what)
    {
        byte[] header = new byte[8 + (4 * itemDimensions)];
        stream.ReadExactly(header, 0, 4);
        uint magic = BinaryPrimitives.ReadUInt32BigEndian(header);
        uint expected = 0x801 + (uint)itemDimensions;
        if (magic != expected)
            throw Error(path, $"its first four bytes are 0x{magic:x8}, not 0x{expected:x8} as in an IDX file of {what}");
        stream.ReadExactly(header, 4, header.Length - 4);

        int[] dimensions = new int[1 + itemDimensions];
        for (int i = 0; i < dimensions.Length; i++)
            dimensions[i] = BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(4 + (4 * i)));
        if (dimensions.Any(dimension => dimension < 1) || dimensions.Skip(1).Any(side => side > ImageRequest.MaxSide))
            throw Error(path, $"its header gives the impossible size {string.Join(" × ", dimensions)} (number of {what} first)");
        return (dimensions[0], dimensions[1..]);
    }

    private static void CheckLength(string path, long fileBytes, bool compressed, int headerBytes, long contentBytes)
    {
        if (!compressed && fileBytes != headerBytes + contentBytes)
        {
            throw Error(path,
                $"its header announces {contentBytes} bytes after the header, there are {fileBytes - headerBytes}: truncated?");
        }

        if (compressed && !PackedLimit.Allows(contentBytes, fileBytes))
            throw Error(path, $"its header announces {contentBytes} bytes, which is not plausible for {fileBytes} compressed bytes");
    }

    private static InvalidDataException Error(string path, string reason) => new($"'{path}' cannot be read as IDX: {reason}.");
}
