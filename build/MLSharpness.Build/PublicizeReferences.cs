using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;
using Task = Microsoft.Build.Utilities.Task;

namespace MLSharpness.Build;

/// <summary>
/// Writes copies of reference assemblies in which internal types, methods and fields are public, or whose version is 0.0.0.0, for the
/// compiler to read.
/// </summary>
/// <remarks>
/// The copy is the original file with the visibility bits or the version in its metadata tables changed in place (ECMA-335 §II.22 and
/// §II.23.1), so no offset moves. The application still runs on the genuine assembly; <c>IgnoresAccessChecksTo</c> makes the runtime
/// accept the access.
/// </remarks>
public sealed class PublicizeReferences : Task
{
    /// <summary>All references of the compilation.</summary>
    [Required]
    public required ITaskItem[] References { get; set; }

    /// <summary>Simple names of the assemblies to publicise.</summary>
    [Required]
    public required string[] Names { get; set; }

    /// <summary>Simple names of the assemblies of which any version is to do at run time.</summary>
    public string[] AnyVersion { get; set; } = [];

    /// <summary>The folder that receives the copies.</summary>
    [Required]
    public required string OutputFolder { get; set; }

    /// <summary>The references that the copies stand in for.</summary>
    [Output]
    public ITaskItem[] Replaced { get; set; } = [];

    /// <summary>The copies, each with the metadata of its original.</summary>
    [Output]
    public ITaskItem[] PublicizedReferences { get; set; } = [];

    public override bool Execute()
    {
        string[] names = [.. Names, .. AnyVersion];
        Replaced = [.. References.Where(reference => names.Contains(reference.GetMetadata("Filename")))];
        foreach (string missing in names.Except(Replaced.Select(reference => reference.GetMetadata("Filename"))))
            Log.LogError($"'{missing}' is to be changed for the compiler, and is not among the references of this project.");

        Directory.CreateDirectory(OutputFolder);
        PublicizedReferences = Array.ConvertAll(Replaced, reference =>
        {
            string source = reference.GetMetadata("FullPath");
            string target = Path.GetFullPath(Path.Combine(OutputFolder, Path.GetFileName(source)));
            if (!File.Exists(target) || File.GetLastWriteTimeUtc(target) != File.GetLastWriteTimeUtc(source))
                WriteCopy(source, target, reference.GetMetadata("Filename"));
            return (ITaskItem)new TaskItem(reference) { ItemSpec = target };
        });
        return !Log.HasLoggedErrors;
    }

    private void WriteCopy(string source, string target, string name)
    {
        byte[] image = File.ReadAllBytes(source);
        if (Names.Contains(name))
            Publicize(image);
        if (AnyVersion.Contains(name))
            ClearVersion(image);
        string temporary = $"{target}.{Environment.ProcessId}.tmp";
        File.WriteAllBytes(temporary, image);
        // The time stamp of the original marks the copy as current.
        File.SetLastWriteTimeUtc(temporary, File.GetLastWriteTimeUtc(source));
        File.Move(temporary, target, overwrite: true);
    }

    private static void ClearVersion(byte[] image)
    {
        using var pe = new PEReader(new MemoryStream(image, writable: false));
        MetadataReader metadata = pe.GetMetadataReader();
        const int HashAlgorithmSize = 4, VersionSize = 4 * sizeof(ushort);
        int row = pe.PEHeaders.MetadataStartOffset + metadata.GetTableMetadataOffset(TableIndex.Assembly);
        image.AsSpan(row + HashAlgorithmSize, VersionSize).Clear();
    }

    private static void Publicize(byte[] image)
    {
        using var pe = new PEReader(new MemoryStream(image, writable: false));
        MetadataReader metadata = pe.GetMetadataReader();
        int start = pe.PEHeaders.MetadataStartOffset;

        // Every flag that matters lies in the low three bits of the flags column, whose offset in the row is fixed by ECMA-335.
        Rewrite(TableIndex.TypeDef, flagsOffset: 0, static visibility => visibility switch
        {
            0 => 1,             // not public -> public
            5 or 6 or 7 => 2,   // nested assembly, family-and-assembly, family-or-assembly -> nested public
            _ => visibility,
        });
        Rewrite(TableIndex.MethodDef, flagsOffset: 6, MemberVisibility);
        Rewrite(TableIndex.Field, flagsOffset: 0, MemberVisibility);

        static int MemberVisibility(int visibility) => visibility switch
        {
            3 => 6,             // assembly -> public
            2 => 4,             // family-and-assembly (private protected) -> family
            _ => visibility,
        };

        void Rewrite(TableIndex table, int flagsOffset, Func<int, int> map)
        {
            int offset = start + metadata.GetTableMetadataOffset(table) + flagsOffset;
            for (int row = 0; row < metadata.GetTableRowCount(table); row++, offset += metadata.GetTableRowSize(table))
                image[offset] = (byte)((image[offset] & ~7) | map(image[offset] & 7));
        }
    }
}
