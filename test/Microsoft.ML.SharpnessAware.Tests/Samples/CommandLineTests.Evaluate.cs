using System.Text.Json;

namespace Microsoft.ML.SharpnessAware.Tests.Samples;

// mlsharpness evaluate, and report.
public sealed partial class CommandLineTests
{
    [TestMethod]
    public void EvaluateGivesWhatTheLibraryMeasures()
    {
        (int exitCode, string output, string error) = Run("evaluate", ModelPath, ImagesPath, "--json");
        Assert.AreEqual(Done, exitCode, error);
        using JsonDocument json = JsonDocument.Parse(output);

        var mlContext = new MLContext(seed: 1);
        ITransformer model = mlContext.Model.Load(ModelPath, out DataViewSchema _);
        using var disposable = (IDisposable)model;
        MulticlassCalibrationMetrics expected = mlContext.MulticlassClassification.EvaluateCalibration(
            model.Transform(mlContext.Data.LoadImagesFromFolder(ImagesPath)));
        Assert.AreEqual(60, json.RootElement.GetProperty("count").GetInt64());
        Assert.AreEqual(expected.Accuracy, json.RootElement.GetProperty("accuracy").GetDouble());
        Assert.AreEqual(expected.ExpectedCalibrationError, json.RootElement.GetProperty("expectedCalibrationError").GetDouble(), 1e-6);
    }

    [TestMethod]
    public void TheScoresOfEvaluateAreComparedWithThemselves()
    {
        string scores = Folder.File("scores.csv");
        (int exitCode, string output, string error) = Run("evaluate", ModelPath, ImagesPath, "--scores", scores, "--json");
        Assert.AreEqual(Done, exitCode, error);
        using JsonDocument evaluated = JsonDocument.Parse(output);
        (exitCode, output, error) = Run("compare-scores", scores, scores, "--group", "Label", "--json");
        File.Delete(scores);
        Assert.AreEqual(Done, exitCode, error);
        using JsonDocument compared = JsonDocument.Parse(output);
        Assert.AreEqual(evaluated.RootElement.GetProperty("logLoss").GetDouble(),
            compared.RootElement.GetProperty("models")[0].GetProperty("metrics").GetProperty("logLoss").GetDouble(), 1e-9);
        CollectionAssert.AreEquivalent(Classes, compared.RootElement.GetProperty("differences").EnumerateArray().Skip(1)
            .Select(one => one.GetProperty("group").GetString()).ToArray());
        Assert.AreEqual(0, compared.RootElement.GetProperty("differences")[0].GetProperty("logLoss")[0].GetDouble());
    }

    [TestMethod]
    public void ReportWritesAPage()
    {
        string page = Folder.File("page.html");
        (int exitCode, _, string error) = Run("report", ModelPath, ImagesPath, "--out", page);
        Assert.AreEqual(Done, exitCode, error);
        StringAssert.Contains(File.ReadAllText(page), "<svg");
        File.Delete(page);
    }
}
