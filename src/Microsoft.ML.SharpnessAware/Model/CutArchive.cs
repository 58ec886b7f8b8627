using System.IO.Compression;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Zip archives that may have been cut short. The command-line tool has this file as well.</summary>
internal static class CutArchive
{
    /// <summary>Opens an archive. The list of its files is at the end, and is what is missing of one that was cut short.</summary>
    /// <param name="stream">Begins as an archive does. It is left open.</param>
    /// <exception cref="InvalidDataException">There is no list of files.</exception>
    public static ZipArchive Open(Stream stream)
    {
        try
        {
            var zip = new ZipArchive(stream, ZipArchiveMode.Read, leaveOpen: true);
            _ = zip.Entries;
            return zip;
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException(
                $"It begins as a zip archive and has no list of files at its end: of {stream.Length} bytes, it was cut short or damaged, " +
                "perhaps by a download or a copy that broke off. Get it again.", e);
        }
    }
}
