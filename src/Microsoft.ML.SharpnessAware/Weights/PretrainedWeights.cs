namespace Microsoft.ML.SharpnessAware;

/// <summary>Weights that were trained on many pictures already, where a package has laid them beside the application, or beside this
/// library's own package where a script or notebook has loaded it from there.</summary>
/// <remarks>
/// <para>Known is the package Microsoft.ML.DnnImageFeaturizer.ResNet18, which ML.NET publishes under the MIT licence:
/// <c>dotnet add package Microsoft.ML.DnnImageFeaturizer.ResNet18</c>. Its build copies a file of 64 MB, trained on ImageNet, to the
/// output of the project that names it. (A project gets it by naming it itself, not through another project or package.) A script or
/// notebook (<c>#r "nuget: …"</c>) has no output: there it is found in NuGet's folder of packages.</para>
/// <para><c>Options.InitialWeights</c> takes <see cref="Auto"/>, <see cref="None"/>, or the path of a file.</para>
/// </remarks>
public static class PretrainedWeights
{
    /// <summary>Weights where <see cref="Find(string)"/> finds them; else random ones, and the log says which package would help.</summary>
    public const string Auto = "auto";

    /// <summary>Random weights, whatever lies beside the application.</summary>
    public const string None = "none";

    /// <summary>The path of an architecture's weights beside the application, or in the folder of packages that this library was loaded
    /// from; null where there are none.</summary>
    /// <param name="architecture">A name of <see cref="NetworkArchitecture"/>. Weights come by package for <see
    /// cref="NetworkArchitecture.MLNetResNet18"/>; of all others the answer is null.</param>
    public static string? Find(string architecture) => Find(architecture, AppContext.BaseDirectory);

    /// <summary>As <see cref="Find(string)"/>, beside another application.</summary>
    internal static string? Find(string architecture, string folder) =>
        Find(architecture, folder, Path.GetDirectoryName(typeof(PretrainedWeights).Assembly.Location));

    /// <summary>As <see cref="Find(string)"/>, beside another application.</summary>
    /// <param name="architecture">A name of <see cref="NetworkArchitecture"/>.</param>
    /// <param name="folder">The application's.</param>
    /// <param name="libraryFolder">Where this library was loaded from; null where it has no file of its own.</param>
    internal static string? Find(string architecture, string folder, string? libraryFolder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(architecture);
        if (!architecture.Equals(NetworkArchitecture.MLNetResNet18, StringComparison.OrdinalIgnoreCase))
            return null;
        string path = Path.Combine(folder, PackagedWeights.File);
        return File.Exists(path) ? path
            : libraryFolder is not null && PackagesAround(libraryFolder) is string packages ? PackagedWeights.InPackages(packages)
            : null;
    }

    /// <summary>NuGet's folder of packages where this library is in its own package (packages/mlsharpness/0.2.0/lib/net10.0): a script and
    /// a notebook load it from there. Else null.</summary>
    private static string? PackagesAround(string libraryFolder)
    {
        DirectoryInfo? lib = new DirectoryInfo(libraryFolder).Parent, package = lib?.Parent?.Parent;
        return lib?.Name == "lib" && "MLSharpness".Equals(package?.Name, StringComparison.OrdinalIgnoreCase) ? package.Parent?.FullName
            : null;
    }
}
