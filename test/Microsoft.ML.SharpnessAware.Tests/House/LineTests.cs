namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Lines of code can be read without scrolling.</summary>
[TestClass]
public sealed class LineTests
{
    private const int Longest = 140;

    [TestMethod]
    public void LinesAreNotTooLongAndEndWithAVisibleCharacter()
    {
        List<string> found = [];
        int files = 0;
        foreach (string file in Code())
        {
            files++;
            int number = 0;
            foreach (string line in File.ReadLines(file))
            {
                number++;
                if (line.Length > Longest && !CannotBeBroken(line) || line.EndsWith(' '))
                    found.Add($"{Path.GetRelativePath(Repository.Root, file)}:{number}: {line.Length} characters: {line}");
            }
        }

        Assert.IsGreaterThan(800, files);
        Assert.IsEmpty(found, string.Join('\n', found.Take(20)));
    }

    /// <summary>A row of a table in a doc comment, or an address.</summary>
    private static bool CannotBeBroken(string line) =>
        line.TrimStart().StartsWith("/// |", StringComparison.Ordinal) || line.Contains("https://", StringComparison.Ordinal);

    private static IEnumerable<string> Code() => new[] { "src", "test", "docs", "build" }
        .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), "*.cs", SearchOption.AllDirectories))
        .Where(file => !Path.GetRelativePath(Repository.Root, file).Split(Path.DirectorySeparatorChar).Any(part => part is "obj" or "bin"));
}
