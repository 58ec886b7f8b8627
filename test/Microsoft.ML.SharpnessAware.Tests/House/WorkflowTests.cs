using System.Diagnostics;
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

    /// <summary>With a dotnet that fails at once, so that nothing is built.</summary>
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void TheFreshCloneDeletesNothingThatItHasNotMade(bool byFullPath)
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Inconclusive("The script is for Linux.");
            return;
        }

        using var folder = new TemporaryFolder();
        string mine = Directory.CreateDirectory(folder.File("mine")).FullName;
        File.WriteAllText(Path.Combine(mine, "work.txt"), "of years");
        (string output, string error) = FreshCloneWithoutDotnet(folder, byFullPath ? mine : "mine");

        StringAssert.Contains(output, "no dotnet", error);
        CollectionAssert.AreEqual(new[] { Path.Combine(mine, "work.txt") }, Directory.GetFileSystemEntries(mine));
    }

    [TestMethod]
    public void TheFreshCloneMakesTheFolderThatItIsGiven()
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Inconclusive("The script is for Linux.");
            return;
        }

        using var folder = new TemporaryFolder();
        string given = folder.File("not there/yet");
        (string output, string error) = FreshCloneWithoutDotnet(folder, given);
        StringAssert.Contains(output, "no dotnet", error);
        Assert.IsEmpty(Directory.GetFileSystemEntries(given));
    }

    private static (string Output, string Error) FreshCloneWithoutDotnet(TemporaryFolder folder, string given)
    {
        if (!Directory.Exists(Path.Combine(Repository.Root, ".git")) && !File.Exists(Path.Combine(Repository.Root, ".git")))
            Assert.Inconclusive("This is no clone.");
        string dotnet = folder.File("dotnet");
        File.WriteAllText(dotnet, "#!/bin/sh\necho no dotnet; exit 1\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(dotnet, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var start = new ProcessStartInfo(Path.Combine(Repository.Root, ".ci", "fresh-clone"), [given])
        {
            WorkingDirectory = folder.Path, RedirectStandardOutput = true, RedirectStandardError = true,
            Environment = { ["PATH"] = $"{folder.Path}:{Environment.GetEnvironmentVariable("PATH")}" },
        };
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (output, error.Result);
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
