using System.Text.RegularExpressions;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>What is promised to a newcomer is what the workflow runs.</summary>
[TestClass]
public sealed partial class WorkflowTests
{
    [TestMethod]
    public void TheCommandsOfTheReadmeAreRunOnEachSystem()
    {
        string workflow = Read(".github/workflows/ci.yml");
        string[] run = [.. RunStep().Matches(workflow).Select(match => match.Groups["command"].Value)];
        string[] promised = [.. Command().Matches(Read("README.md")).Select(match => match.Groups["command"].Value.Trim())];

        Assert.IsNotEmpty(promised);
        foreach (string command in promised)
            Assert.Contains(step => step.StartsWith(command, StringComparison.Ordinal), run, $"No step of the workflow runs: {command}");
        foreach (string system in new[] { "ubuntu", "windows", "macos" })
            StringAssert.Contains(workflow, system);
    }

    [TestMethod]
    public void ProjectsThatTheWorkflowAndTheReadmeNameExist()
    {
        foreach (Match project in Project().Matches(Read(".github/workflows/ci.yml") + Read("README.md") + Read("CONTRIBUTING.md")))
            Assert.IsTrue(Path.Exists(Path.Combine(Repository.Root, project.Groups["path"].Value)), project.Value);
    }

    private static string Read(string path) => File.ReadAllText(Path.Combine(Repository.Root, path));

    [GeneratedRegex("""^\s+(?:- )?run: (?<command>.+)$""", RegexOptions.Multiline)]
    private static partial Regex RunStep();

    // "dotnet run …" and "dotnet test …" of the first block, without the comment.
    [GeneratedRegex("""^(?<command>dotnet (?:run|test|build|pack) -c Release[^#\n]*)""", RegexOptions.Multiline)]
    private static partial Regex Command();

    [GeneratedRegex("""dotnet \w+[^\n]*? (?:--project )?(?<path>(?:src|test|docs)/[\w./-]+)""")]
    private static partial Regex Project();
}
