using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Docs;

/// <summary>Every code block of docs/your-own-loop.md is a program that compiles and runs.</summary>
[TestClass]
public sealed class YourOwnLoopPageTests
{
    private static readonly string[] Blocks = PageProgram.Blocks("your-own-loop.md");

    public static IEnumerable<object[]> Places => Enumerable.Range(0, Blocks.Length).Select(i => new object[] { i });

    [TestMethod]
    public void ThePageHasItsPrograms() => Assert.HasCount(12, Blocks);

    [TestMethod]
    [DynamicData(nameof(Places))]
    public void TheProgramRuns(int place)
    {
        using DisposeScope scope = NewDisposeScope();
        string output = PageProgram.Run($"your-own-loop-{place}", Blocks[place]);
        Assert.DoesNotContain("NaN", output);
        Assert.AreNotEqual("", output);
    }
}
