using System.Globalization;
using System.Text.Json;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>An application that refers to the calibration package alone: test/Microsoft.ML.SharpnessAware.CalibrationOnly.</summary>
[TestClass]
public sealed class CalibrationPackageTests
{
    private static readonly string[] Unwanted = ["TorchSharp", "libtorch", "ImageAnalytics", "Vision", "Onnx"];

    private static string Application => ChildProcess.File("Microsoft.ML.SharpnessAware.CalibrationOnly");

    /// <summary>The .deps.json of an application has what it restored: each package and project, with its version.</summary>
    [TestMethod]
    public void TheApplicationRestoresNoTorchSharpAndNothingOfImages()
    {
        using JsonDocument dependencies = JsonDocument.Parse(File.ReadAllText(Path.ChangeExtension(Application, ".deps.json")));
        string[] restored = [.. dependencies.RootElement.GetProperty("libraries").EnumerateObject().Select(library => library.Name)];

        Assert.Contains(name => name.StartsWith("Microsoft.ML/", StringComparison.Ordinal), restored);
        Assert.Contains(name => name.StartsWith("Microsoft.ML.SharpnessAware.Calibration/", StringComparison.Ordinal), restored);
        Assert.IsEmpty(restored.Where(IsUnwanted), string.Join(", ", restored));
    }

    [TestMethod]
    public void ItTrainsMeasuresCalibratesSavesLoadsDrawsAndReports()
    {
        using var folder = new TemporaryFolder();
        (int exitCode, string output, string error) = ChildProcess.Run(Application, [folder.Path]);

        Assert.AreEqual(0, exitCode, error);
        string[] lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        double[][] numbers = [.. lines[..2].Select(line =>
            Array.ConvertAll(line.Split(' '), text => double.Parse(text, CultureInfo.InvariantCulture)))];
        Assert.IsLessThan(numbers[0][0], numbers[1][0], "expected calibration error: before, after");
        Assert.IsLessThan(numbers[0][1], numbers[1][1], "log loss: before, after");
        Assert.IsEmpty(lines[2..].Where(IsUnwanted), "loaded assemblies");
        CollectionAssert.AreEqual(new byte[] { 0x89, (byte)'P', (byte)'N', (byte)'G' },
            File.ReadAllBytes(folder.File("reliability.png"))[..4]);
        StringAssert.Contains(File.ReadAllText(folder.File("report.html")), "<svg");
    }

    private static bool IsUnwanted(string name) => Unwanted.Any(part => name.Contains(part, StringComparison.OrdinalIgnoreCase));
}
