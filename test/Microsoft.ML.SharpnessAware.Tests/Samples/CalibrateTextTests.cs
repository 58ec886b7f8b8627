using CalibrateText;
using MLSharpness.Build;

namespace Microsoft.ML.SharpnessAware.Tests.Samples;

/// <summary>Microsoft.ML.TorchSharp beside this library, on the TorchSharp of this library.</summary>
[TestClass]
public sealed class CalibrateTextTests
{
    /// <summary>In a process of its own: the other package's trainer seeds torch's generator for the whole process.</summary>
    [TestMethod]
    public void TextAndImageClassifiersTrainInOneApplication()
    {
        using var folder = new TemporaryFolder();
        (int exitCode, string output, string error) = FreshProcess.Run(FreshProcess.Folder, ["both", folder.Path]);
        Assert.AreEqual(0, exitCode, error);
        CollectionAssert.AreEqual(
            new[]
            {
                "rows 16", "sums True", "order True", "labels True", "images True", "alive True", "loaded text True", "sets True",
                "loaded images True",
            },
            output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries), output);
    }

    [TestMethod]
    public void AFileThatIsSortedByLabelIsShuffledAndABadLineIsNamed()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("texts.tsv");
        string[] lines = [.. Enumerable.Range(0, 60).Select(i => $"{(i < 30 ? "first" : "second")}\ttext\t{i}")];
        File.WriteAllLines(path, [.. lines, ""]);
        IReadOnlyList<Request> requests = Requests.Read(path, seed: 1);
        CollectionAssert.AreEquivalent(lines, requests.Select(request => $"{request.Label}\t{request.Text}").ToArray());
        Assert.AreEqual(2, requests.Take(20).Select(request => request.Label).Distinct().Count());

        File.WriteAllLines(path, [.. lines[..2], "", "no tab", .. lines[2..]]);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Requests.Read(path, 1)).Message, $"'{path}', line 4: ");
        File.WriteAllLines(path, lines[..5]);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Requests.Read(path, 1)).Message, "at least 6");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Requests.Read(folder.Path, 1)).Message, "is a folder");
    }

    [TestMethod]
    [DataRow("--rows abc", "--rows must be a whole number, at least 6; it is 'abc'.")]
    [DataRow("--rows 5", "--rows must be a whole number, at least 6; it is '5'.")]
    [DataRow("--epochs abc", "--epochs must be a whole number, at least 1; it is 'abc'.")]
    [DataRow("--epochs 0", "--epochs must be a whole number, at least 1; it is '0'.")]
    [DataRow("--epochs 3 --data", "--data must be followed by its value.")]
    [DataRow("--row 6", "There is no option '--row'.")]
    public void AnArgumentThatIsNotUnderstoodIsNamed(string arguments, string says) => StringAssert.Contains(
        Assert.ThrowsExactly<ArgumentException>(() => Arguments.Parse(arguments.Split(' '))).Message, says);

    [TestMethod]
    public void WhatIsNotGivenIsAsTheHelpHasIt()
    {
        Assert.AreEqual(new Arguments(null, 10, 1200, HasRandomEncoder: false, "out"), Arguments.Parse([]));
        Assert.AreEqual(new Arguments("a.tsv", 2, 6, HasRandomEncoder: true, "x"),
            Arguments.Parse("--data a.tsv --random-encoder --rows 6 --epochs 2 --out x".Split(' ')));
    }

    [TestMethod]
    public void OnlyAnAssemblyThatDisposesOfItsWeightsIsRewritten()
    {
        foreach (string name in new[] { "Microsoft.ML.TorchSharp.dll", "Microsoft.ML.Core.dll" })
        {
            byte[] image = File.ReadAllBytes(Path.Combine(FreshProcess.Folder, name)), before = [.. image];
            Assert.IsFalse(MLTorchSharpImage.KeepInitialisedWeights(image), $"{name} was rewritten by the build or needs nothing");
            CollectionAssert.AreEqual(before, image);
        }
    }
}
