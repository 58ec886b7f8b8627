namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>The repository that these tests were built from.</summary>
internal static class Repository
{
    public static string Root { get; } = AssemblyMetadata.Value("RepositoryRoot");
}
