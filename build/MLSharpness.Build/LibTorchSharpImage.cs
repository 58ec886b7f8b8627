using System.Buffers.Binary;
using System.Text;

namespace MLSharpness.Build;

/// <summary>The bytes of an ELF64 little-endian shared library, as far as symbol versions go.</summary>
internal static class LibTorchSharpImage
{
    /// <summary><c>std::ios_base_library_init()</c>, new in GCC 13.</summary>
    public const string MissingSymbol = "_ZSt21ios_base_library_initv";

    // A function without arguments or side effects that every libstdc++ since GCC 4.9 exports. Its name must not be longer.
    private const string StandIn = "_ZSt15get_new_handlerv";
    private const string StandInVersion = "GLIBCXX_3.4.20";
    private const string NewVersion = "GLIBCXX_3.4.32";
    private const string OlderVersion = "GLIBCXX_3.4.30";
    private const string StandardLibrary = "libstdc++.so.6";

    private const int DynSym = 11, GnuVerSym = 0x6fffffff, GnuVerNeed = 0x6ffffffe;

    private readonly record struct Section(int Type, int Offset, int Size, int Link);

    private readonly record struct NeededVersion(int Offset, ushort Index);

    /// <summary>
    /// Points the reference to <see cref="MissingSymbol"/> at a harmless older function, and the requirement of GLIBCXX_3.4.32 at
    /// GLIBCXX_3.4.30, which the library requires too. No length changes.
    /// </summary>
    /// <returns><see langword="false"/> where the image does not require the symbol; it is then unchanged.</returns>
    /// <exception cref="InvalidDataException">The image requires the symbol but lacks the older versions to stand in for it.</exception>
    public static bool RemoveNewLibraryRequirement(byte[] image)
    {
        if (image.Length < 64 || !image.AsSpan(0, 6).SequenceEqual<byte>([0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1]))
            return false;

        Section[] sections = ReadSections(image);
        Section symbols = sections.First(section => section.Type == DynSym);
        Section strings = sections[symbols.Link];
        Section symbolVersions = sections.First(section => section.Type == GnuVerSym);
        Section needed = sections.First(section => section.Type == GnuVerNeed);

        int symbol = FindSymbol(image, symbols, strings, MissingSymbol);
        if (symbol < 0)
            return false;

        Dictionary<string, NeededVersion> versions = ReadVersionsOf(StandardLibrary, image, needed, sections[needed.Link]);
        if (!versions.TryGetValue(NewVersion, out NeededVersion newer)
            || !versions.TryGetValue(OlderVersion, out NeededVersion older)
            || !versions.TryGetValue(StandInVersion, out NeededVersion standIn))
            throw new InvalidDataException($"The library needs {MissingSymbol}, but not the versions {NewVersion}, {OlderVersion} and " +
                $"{StandInVersion} that the rewriting relies on. Is it another version of TorchSharp?");

        // Elf64_Vernaux: hash (4 bytes), flags (2), other = index (2), name (4), next (4).
        image.AsSpan(older.Offset, 4).CopyTo(image.AsSpan(newer.Offset));
        image.AsSpan(older.Offset + 8, 4).CopyTo(image.AsSpan(newer.Offset + 8));

        Span<byte> name = image.AsSpan(strings.Offset + Int32(image, symbols.Offset + 24 * symbol), MissingSymbol.Length);
        name.Clear();
        Encoding.ASCII.GetBytes(StandIn, name);
        BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(symbolVersions.Offset + 2 * symbol), standIn.Index);
        return true;
    }

    private static Section[] ReadSections(byte[] image)
    {
        int table = Int64(image, 40), entrySize = Int16(image, 58), count = Int16(image, 60);
        var sections = new Section[count];
        for (int i = 0; i < count; i++)
        {
            int header = table + i * entrySize;
            sections[i] = new Section(Int32(image, header + 4), Int64(image, header + 24), Int64(image, header + 32),
                Int32(image, header + 40));
        }
        return sections;
    }

    private static int FindSymbol(byte[] image, Section symbols, Section strings, string name)
    {
        for (int i = 0; i < symbols.Size / 24; i++)
        {
            if (TextAt(image, strings.Offset + Int32(image, symbols.Offset + 24 * i)) == name)
                return i;
        }
        return -1;
    }

    private static Dictionary<string, NeededVersion> ReadVersionsOf(string file, byte[] image, Section needed, Section strings)
    {
        var versions = new Dictionary<string, NeededVersion>();
        // Elf64_Verneed: version (2), count (2), file (4), aux (4), next (4).
        for (int entry = needed.Offset; ; entry += Int32(image, entry + 12))
        {
            if (TextAt(image, strings.Offset + Int32(image, entry + 4)) == file)
            {
                int auxiliary = entry + Int32(image, entry + 8);
                for (int i = 0; i < Int16(image, entry + 2); i++, auxiliary += Int32(image, auxiliary + 12))
                {
                    string version = TextAt(image, strings.Offset + Int32(image, auxiliary + 8));
                    versions[version] = new NeededVersion(auxiliary, (ushort)Int16(image, auxiliary + 6));
                }
            }
            if (Int32(image, entry + 12) == 0)
                return versions;
        }
    }

    private static string TextAt(byte[] image, int offset) =>
        Encoding.ASCII.GetString(image, offset, Array.IndexOf(image, (byte)0, offset) - offset);

    private static int Int16(byte[] image, int offset) => BinaryPrimitives.ReadUInt16LittleEndian(image.AsSpan(offset));

    private static int Int32(byte[] image, int offset) => BinaryPrimitives.ReadInt32LittleEndian(image.AsSpan(offset));

    private static int Int64(byte[] image, int offset) => checked((int)BinaryPrimitives.ReadInt64LittleEndian(image.AsSpan(offset)));
}
