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
