namespace Microsoft.ML.SharpnessAware.Tests.Distributed;

[TestClass]
public sealed class MpiLibraryTests
{
    [TestMethod]
    public void OnMacOSTheFoldersOfItsPackageManagersAreSearchedToo()
    {
        CollectionAssert.AreEqual(
            new[]
            {
                "libmpi.40.dylib", "/opt/homebrew/lib/libmpi.40.dylib", "/usr/local/lib/libmpi.40.dylib",
                "/opt/local/lib/libmpi.40.dylib",
            },
            MpiLibrary.Places("libmpi.40.dylib", isMacOS: true).ToArray());
        CollectionAssert.AreEqual(new[] { "/my/libmpi.dylib" }, MpiLibrary.Places("/my/libmpi.dylib", isMacOS: true).ToArray());
        CollectionAssert.AreEqual(new[] { "libmpi.so.40" }, MpiLibrary.Places("libmpi.so.40", isMacOS: false).ToArray());
    }
}
