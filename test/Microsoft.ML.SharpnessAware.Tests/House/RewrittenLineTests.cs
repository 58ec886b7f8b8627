using MLSharpness.Cli;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>The progress of the tool in a terminal.</summary>
[TestClass]
public sealed class RewrittenLineTests
{
    [TestMethod]
    [DataRow("epoch 1/3", 12, "epoch 1/3  ")]
    [DataRow("epoch 1/3", 10, "epoch 1/3")]
    [DataRow("epoch 1/3", 9, "epoch 1/")]
    [DataRow("epoch 1/3", 1, "")]
    [DataRow("epoch 1/3", 0, "")]
    public void ALineThatIsWrittenOverIsOneColumnNarrowerThanTheTerminal(string line, int width, string expected) =>
        Assert.AreEqual(expected, RewrittenLine.Of(line, width));
}
