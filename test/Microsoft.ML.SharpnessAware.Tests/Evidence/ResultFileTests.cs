using MLSharpness.Evidence.Results;

namespace Microsoft.ML.SharpnessAware.Tests.Evidence;

[TestClass]
public sealed class ResultFileTests
{
    private static readonly string[] Keys = ["method", "seed"], Values = ["accuracy", "ece"];

    [TestMethod]
    public void RowsAreOnDiskAtOnceAndFoundAgain()
    {
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "results.csv");
        new ResultFile(path, Keys, Values).Add(["SAM", "2"], [0.9, 0.0125]);
        var again = new ResultFile(path, Keys, Values);
        Assert.IsTrue(again.Contains(["SAM", "2"]));
        Assert.IsFalse(again.Contains(["SAM", "1"]));
        again.Add(["SAM", "1"], [0.8, double.NaN]);
        CollectionAssert.AreEqual(new[] { "method,seed,accuracy,ece", "SAM,1,0.8,NaN", "SAM,2,0.9,0.0125" }, File.ReadAllLines(path));
        Assert.AreEqual(0.0125, ResultFile.Read(path)[1].Number("ece"));
    }

    [TestMethod]
    public void AFileOfOtherColumnsIsRefusedAndLeftAlone()
    {
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "results.csv");
        File.WriteAllText(path, "method,seed,accuracy\nSAM,1,0.5\n");
        var exception = Assert.ThrowsExactly<InvalidDataException>(() => new ResultFile(path, Keys, Values));
        Assert.Contains(path, exception.Message);
        Assert.AreEqual("method,seed,accuracy\nSAM,1,0.5\n", File.ReadAllText(path));
    }

    [TestMethod]
    public void ADamagedLineIsNamed()
    {
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "results.csv");
        File.WriteAllText(path, "method,seed,accuracy,ece\nSAM,1,0.5,0.1\nSAM,2,0.\n");
        Assert.Contains("Line 3", Assert.ThrowsExactly<InvalidDataException>(() => new ResultFile(path, Keys, Values)).Message);
    }
}
