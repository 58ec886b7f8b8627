using Microsoft.Build.Framework;
using Task = Microsoft.Build.Utilities.Task;

namespace MLSharpness.Build;

/// <summary>Writes the README of a package: a page of the repository whose relative links have become absolute.</summary>
public sealed class WritePackageReadme : Task
{
    /// <summary>The page in the repository.</summary>
    [Required]
    public required string Source { get; set; }

    /// <summary>The file to write.</summary>
    [Required]
    public required string Target { get; set; }

    /// <summary>The folder that the repository's address stands for.</summary>
    [Required]
    public required string RepositoryRoot { get; set; }

    /// <summary>The address that the repository is published at; empty where it has none (a clone without a remote).</summary>
    public string RepositoryUrl { get; set; } = "";

    /// <summary>The commit or branch that links lead to.</summary>
    public string Revision { get; set; } = "main";

    public override bool Execute()
    {
        if (RepositoryUrl.Length == 0)
            Log.LogMessage(MessageImportance.High, $"{Path.GetFileName(Target)}: this clone has no remote, so links into the repository " +
                "become plain text (-p:RepositoryUrl=https://... sets an address).");
        string folder = Path.GetRelativePath(RepositoryRoot, Path.GetDirectoryName(Path.GetFullPath(Source))!).Replace('\\', '/');
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(Target))!);
        File.WriteAllText(Target, PackageReadme.WithAbsoluteLinks(File.ReadAllText(Source), folder, RepositoryUrl, Revision));
        return true;
    }
}
