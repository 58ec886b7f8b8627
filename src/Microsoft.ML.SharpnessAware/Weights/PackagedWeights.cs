namespace Microsoft.ML.SharpnessAware;

/// <summary>Where pretrained weights come from. This file is compiled into the tool, too.</summary>
internal static class PackagedWeights
{
    /// <summary>The package that has weights of <see cref="NetworkArchitecture.MLNetResNet18"/>.</summary>
    public const string Package = "Microsoft.ML.DnnImageFeaturizer.ResNet18";

    /// <summary>Their file, in the package's folder <c>tools</c> and beside an application that names the package.</summary>
    public static string File { get; } = Path.Combine("DnnImageModels", "ResNet18Onnx", "ResNet18.onnx");

    /// <summary>The same in the package, as messages name it.</summary>
    public const string InPackage = "tools/DnnImageModels/ResNet18Onnx/ResNet18.onnx";

    /// <summary>The weights where NuGet has unpacked the package, of its newest version; null where it has not.</summary>
    /// <param name="packages">The folder with a folder for each package.</param>
    public static string? InPackages(string packages) => Newest(Path.Combine(packages, Package.ToLowerInvariant()));

    /// <summary>In a folder of versions of the package, that of the newest one that has them.</summary>
    public static string? Newest(string folder) => !Directory.Exists(folder)
        ? null
        : Directory.EnumerateDirectories(folder)
            .Select(path => (Path: path, Version: VersionOf(Path.GetFileName(path))))
            .Where(entry => entry.Version is not null)
            .OrderByDescending(entry => entry.Version)
            .Select(entry => In(entry.Path))
            .FirstOrDefault(path => path is not null);

    /// <summary>Those in the unpacked package, or in the folder of an application that they were copied to; null where there are
    /// none.</summary>
    public static string? In(string folder) =>
        new[] { Path.Combine(folder, "tools", File), Path.Combine(folder, File) }.FirstOrDefault(System.IO.File.Exists);

    private static Version? VersionOf(string name) => Version.TryParse(name.Split('-')[0], out Version? version) ? version : null;
}
