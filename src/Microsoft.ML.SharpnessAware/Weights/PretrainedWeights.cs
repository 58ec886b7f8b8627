namespace Microsoft.ML.SharpnessAware;

/// <summary>Weights that were trained on many pictures already, where a package has laid them beside the application.</summary>
/// <remarks>
/// <para>Known is the package Microsoft.ML.DnnImageFeaturizer.ResNet18, which ML.NET publishes under the MIT licence:
/// <c>dotnet add package Microsoft.ML.DnnImageFeaturizer.ResNet18</c>. Its build copies a file of 64 MB, trained on ImageNet, to the
/// output of the project that names it. (A project gets it by naming it itself, not through another project or package.)</para>
/// <para><c>Options.InitialWeights</c> takes <see cref="Auto"/>, <see cref="None"/>, or the path of a file.</para>
/// </remarks>
public static class PretrainedWeights
{
    /// <summary>Weights where they lie beside the application; else random ones, and the log says which package would help.</summary>
    public const string Auto = "auto";

    /// <summary>Random weights, whatever lies beside the application.</summary>
    public const string None = "none";

    /// <summary>The path of an architecture's weights beside the application; null where there are none.</summary>
    /// <param name="architecture">A name of <see cref="NetworkArchitecture"/>. Weights come by package for <see
    /// cref="NetworkArchitecture.MLNetResNet18"/>; of all others the answer is null.</param>
    public static string? Find(string architecture) => Find(architecture, AppContext.BaseDirectory);

    /// <summary>As <see cref="Find(string)"/>, beside another application.</summary>
    internal static string? Find(string architecture, string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(architecture);
        string path = Path.Combine(folder, PackagedWeights.File);
        return architecture.Equals(NetworkArchitecture.MLNetResNet18, StringComparison.OrdinalIgnoreCase) && File.Exists(path) ? path
            : null;
    }
}
