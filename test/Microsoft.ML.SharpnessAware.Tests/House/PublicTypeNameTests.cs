using System.Reflection;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class PublicTypeNameTests
{
    /// <summary>Both would be in scope wherever the two packages are, and a call that names the type would not compile (CS0433).</summary>
    [TestMethod]
    public void NoPublicTypeHasTheFullNameOfOneOfMLNet()
    {
        Type[][] types =
        [
            .. Directory.EnumerateFiles(AppContext.BaseDirectory, "Microsoft.ML.*.dll")
                .Where(file => !file.EndsWith(".Tests.dll", StringComparison.Ordinal))
                .Select(file => Assembly.Load(AssemblyName.GetAssemblyName(file)).GetExportedTypes()),
        ];
        Assert.IsTrue(types.Any(ofOne => ofOne[0].Assembly.GetName().Name == "Microsoft.ML.OnnxTransformer"));

        IEnumerable<string?> twice = types.SelectMany(ofOne => ofOne).GroupBy(type => type.FullName).Where(same => same.Count() > 1)
            .Select(same => same.Key);

        Assert.AreEqual("", string.Join(", ", twice));
    }
}
