namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>
/// The build loads its own tasks from the place where their project puts them, whatever a command line says of output folders. This looks
/// at the paths only; <c>.ci/fresh-clone</c> builds, publishes, tests and packs in a copy.
/// </summary>
[TestClass]
public sealed class BuildOutputTests
{
    private static readonly string[] Settings =
    [
        "Configuration=Release",
        "OutputPath=/else where/",
        "OutDir=/elsewhere/",
        "BaseOutputPath=/elsewhere/",
        "BaseIntermediateOutputPath=/elsewhere/",
        "IntermediateOutputPath=/elsewhere/",
        "ArtifactsPath=/elsewhere",
        "UseArtifactsOutput=true",
        "Platform=x64",
        "RuntimeIdentifier=linux-x64%3BSelfContained=true",
        "AppendTargetFrameworkToOutputPath=false",
        "PublishDir=/elsewhere/",
    ];

    [TestMethod]
    public void TheTasksAreBuiltWhereTheBuildLooksForThem()
    {
        string tasks = Path.Combine(Repository.Root, "build", "MLSharpness.Build", "MLSharpness.Build.csproj");
        using var folder = new TemporaryFolder();
        string project = folder.File("where.proj");
        File.WriteAllText(project, $"""
            <Project>
              <PropertyGroup><Configuration>Odd One</Configuration></PropertyGroup>
              <Import Project="{Repository.Root}/Directory.Build.props" />
              <ItemGroup>
                <Setting Include="{string.Join(";", Settings.Select((_, number) => number))}" />
                {string.Concat(Settings.Select((setting, number) => $"""<Setting Update="{number}" Properties="{setting}" />"""))}
              </ItemGroup>
              <Target Name="Where">
                <Message Importance="high" Text="expected $(MLSharpnessBuildTasks)" />
                <MSBuild Projects="{tasks}" Targets="GetTargetPath" Properties="Configuration=Odd One;%(Setting.Properties)">
                  <Output TaskParameter="TargetOutputs" ItemName="Place" />
                </MSBuild>
                <Message Importance="high" Text="place %(Place.FullPath)" />
              </Target>
            </Project>
            """);

        (int exitCode, string output, _) = ChildProcess.Run("msbuild", [project, "-nologo", "-v:minimal"]);

        Assert.AreEqual(0, exitCode, output);
        Assert.DoesNotContain("place /elsewhere", output);
        string expected = Lines("expected ").Single();
        string[] places = [.. Lines("place ").Distinct()];
        CollectionAssert.AreEquivalent(new[] { Path.GetFullPath(expected), Path.GetFullPath(expected.Replace("Odd One", "Release")) },
            places, output);

        IEnumerable<string> Lines(string start) =>
            output.Split('\n').Select(line => line.Trim()).Where(line => line.StartsWith(start, StringComparison.Ordinal))
                .Select(line => line[start.Length..]);
    }
}
