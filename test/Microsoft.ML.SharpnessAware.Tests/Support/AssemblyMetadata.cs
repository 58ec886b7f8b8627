using System.Reflection;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>What the build wrote into this assembly: where things lie that the tests use.</summary>
internal static class AssemblyMetadata
{
    public static string Value(string key) => typeof(AssemblyMetadata).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(attribute => attribute.Key == key).Value!;
}
