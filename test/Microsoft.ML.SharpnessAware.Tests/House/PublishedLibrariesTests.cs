using MLSharpness.Build;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>
/// What is published: the copies that the build has mended, and these before anything is compiled or bundled from them. The target that
/// lists the files is the SDK's own by name alone, so that nothing is built.
/// </summary>
[TestClass]
public sealed class PublishedLibrariesTests
{
    private const string Managed = "Microsoft.ML.TorchSharp.dll", Native = "runtimes/linux-x64/native/libLibTorchSharp.so";

    [TestMethod]
    public void MendedCopiesTakeThePlaceOfThePackagesFilesInTheListOfWhatIsPublished()
    {
        using var folder = new TemporaryFolder();
        string managed = InPackages("microsoft.ml.torchsharp", Managed), native = InPackages("torchsharp", Path.GetFileName(Native));
        byte[] managedBefore = File.ReadAllBytes(managed), nativeBefore = File.ReadAllBytes(native);

        Dictionary<string, (string Path, string Postprocess)> published = Publish(folder, managed, native, "true");
        Assert.AreEqual("true", published[Managed].Postprocess, "is compiled");
        foreach ((string name, string package, byte[] before) in
            new[] { (Managed, managed, managedBefore), (Native, native, nativeBefore) })
        {
            StringAssert.StartsWith(published[name].Path, folder.Path);
            CollectionAssert.AreNotEqual(before, File.ReadAllBytes(published[name].Path), name);
            CollectionAssert.AreEqual(before, File.ReadAllBytes(package), "the package's file keeps its bytes");
            Assert.IsGreaterThan(File.GetLastWriteTimeUtc(package), File.GetLastWriteTimeUtc(published[name].Path), "what was made of it " +
                "earlier is out of date");
        }

        Assert.IsFalse(MLTorchSharpImage.KeepInitialisedWeights(File.ReadAllBytes(published[Managed].Path)));
        Assert.AreEqual(folder.File("other.dll"), published["other.dll"].Path);
        Dictionary<string, (string Path, string Postprocess)> untouched = Publish(folder, managed, native, "false");
        CollectionAssert.AreEqual(new[] { managed, native }, new[] { untouched[Managed].Path, untouched[Native].Path });
    }

    private static Dictionary<string, (string Path, string Postprocess)> Publish(
        TemporaryFolder folder, string managed, string native, string isMended)
    {
        string project = folder.File("publish.proj");
        File.WriteAllText(folder.File("other.dll"), "of nothing");
        File.WriteAllText(project, $"""
            <Project>
              <PropertyGroup>
                <MLSharpnessBuildTasks>{AssemblyMetadata.Value("MLSharpnessBuildTasks")}</MLSharpnessBuildTasks>
                <IntermediateOutputPath>obj/</IntermediateOutputPath>
                <TorchSharpOnOlderLinux>{isMended}</TorchSharpOnOlderLinux>
                <FixMicrosoftMLTorchSharp>{isMended}</FixMicrosoftMLTorchSharp>
              </PropertyGroup>
              <Import Project="{Repository.Root}/build/buildTransitive/MLSharpness.targets" />
              <Target Name="ComputeResolvedFilesToPublishList">
                <ItemGroup>
                  <ResolvedFileToPublish Include="{managed}" RelativePath="{Managed}" />
                  <ResolvedFileToPublish Include="{native}" RelativePath="{Native}" />
                  <ResolvedFileToPublish Include="other.dll" RelativePath="other.dll" />
                </ItemGroup>
              </Target>
              <Target Name="Publish" DependsOnTargets="ComputeResolvedFilesToPublishList">
                <ItemGroup><To Include="@(ResolvedFileToPublish)" /></ItemGroup>
                <Message Importance="high" Text="place|%(To.RelativePath)|%(FullPath)|%(To.PostprocessAssembly)" />
              </Target>
            </Project>
            """);
        (int exitCode, string output, _) = ChildProcess.Run("msbuild", [project, "-t:Publish", "-nologo", "-v:minimal"]);
        Assert.AreEqual(0, exitCode, output);
        return output.Split('\n').Select(line => line.Trim().Split('|')).Where(parts => parts[0] == "place")
            .ToDictionary(parts => parts[1], parts => (parts[2], parts[3]));
    }

    private static string InPackages(string package, string file) => Directory
        .EnumerateFiles(Path.Combine(AssemblyMetadata.Value("NuGetPackageRoot"), package), file, SearchOption.AllDirectories)
        .Order(StringComparer.Ordinal).Last();
}
