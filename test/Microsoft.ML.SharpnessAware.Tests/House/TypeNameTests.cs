using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>A name that two packages have cannot be written in a program that uses both (CS0433).</summary>
[TestClass]
public sealed class TypeNameTests
{
    [TestMethod]
    public void NoPublicTypeHasTheNameOfATypeOfMLNet()
    {
        string[] files = Directory.GetFiles(AppContext.BaseDirectory, "Microsoft.ML.*.dll");
        string[] own = [.. files.Where(file => Path.GetFileName(file).StartsWith("Microsoft.ML.SharpnessAware", StringComparison.Ordinal))];
        HashSet<string> ofMLNet = [.. files.Except(own).SelectMany(PublicTypes)];
        string[] ofThisLibrary = [.. own.SelectMany(PublicTypes)];

        Assert.Contains("Microsoft.ML.OnnxCatalog", ofMLNet);
        Assert.Contains("Microsoft.ML.CalibrationCatalog", ofThisLibrary);
        Assert.IsEmpty(ofThisLibrary.Where(ofMLNet.Contains), string.Join(", ", ofThisLibrary.Where(ofMLNet.Contains)));
    }

    private static string[] PublicTypes(string file)
    {
        using var image = new PEReader(File.OpenRead(file));
        MetadataReader types = image.GetMetadataReader();
        return
        [
            .. types.TypeDefinitions.Select(types.GetTypeDefinition)
                .Where(type => (type.Attributes & TypeAttributes.VisibilityMask) == TypeAttributes.Public)
                .Select(type => $"{types.GetString(type.Namespace)}.{types.GetString(type.Name)}"),
        ];
    }
}
