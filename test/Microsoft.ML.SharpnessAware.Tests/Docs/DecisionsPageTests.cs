using System.Text.RegularExpressions;

namespace Microsoft.ML.SharpnessAware.Tests.Docs;

/// <summary>The code of docs/decisions.md is one program, which goes on from block to block.</summary>
[TestClass]
public sealed class DecisionsPageTests
{
    [TestMethod]
    public void TheProgramRunsAndKeepsWhatThePageSays()
    {
        using var folder = new TemporaryFolder();
        string[] blocks = PageProgram.Blocks("decisions.md");
        Assert.HasCount(6, blocks);
        // Types stand at the end of a program.
        int types = blocks[0].IndexOf("// Data for the example", StringComparison.Ordinal);
        string program = string.Join('\n', [blocks[0][..types], .. blocks[1..], blocks[0][types..]]);
        program = Regex.Replace(program, "\"([a-z]+\\.(png|html))\"", match => $"@\"{folder.File(match.Groups[1].Value)}\"");

        string output = PageProgram.Run("decisions", program);

        Match coverage = Regex.Match(output, @"Coverage 0\.(\d+)");
        Assert.IsTrue(coverage.Success && double.Parse("0." + coverage.Groups[1].Value) is > .93 and < .97, output);
        StringAssert.Contains(output, "answers ");
        StringAssert.Contains(output, "accuracy on these");
        Assert.IsTrue(output.Split('\n')[..5].All(line => Regex.IsMatch(line, "^(apple|pear|quince)?( or (apple|pear|quince))*$")), output);
        foreach (string file in new[] { "coverage.png", "sizes.png", "report.html" })
            Assert.IsTrue(File.Exists(folder.File(file)), file);
        string report = File.ReadAllText(folder.File("report.html"));
        StringAssert.Contains(report, "asked to hold the right class in 95 %");
        StringAssert.Contains(report, "Abstention accepts");
    }
}
