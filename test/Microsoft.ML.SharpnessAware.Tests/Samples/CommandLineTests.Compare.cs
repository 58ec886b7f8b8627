using System.Text.Json;

namespace Microsoft.ML.SharpnessAware.Tests.Samples;

// mlsharpness compare.
public sealed partial class CommandLineTests
{
    [TestMethod]
    public void CompareShowsMeansAndDifferencesOverTheSeeds()
    {
        (int exitCode, string output, string error) = Run(["compare", ImagesPath, "--methods", "sgd", "csam", "--seeds", "2", "--gamma",
            "0.25", .. Small]);
        Assert.AreEqual(Done, exitCode, error);
        StringAssert.Contains(output, "Means over 2 seeds");
        StringAssert.Contains(output, "mean difference [95 % interval]");
        StringAssert.Contains(output, "0.25)", "γ");
    }

    [TestMethod]
    public void CompareWithJsonHasEachSeed()
    {
        (int exitCode, string output, string error) =
            Run(["compare", ImagesPath, "--methods", "sgd", "asam", "--seeds", "2", "--json", .. Small]);
        Assert.AreEqual(Done, exitCode, error);
        using JsonDocument json = JsonDocument.Parse(output);
        JsonElement[] methods = [.. json.RootElement.EnumerateArray()];
        Assert.HasCount(2, methods);
        Assert.AreEqual("ASAM (ρ = 0.5)", methods[1].GetProperty("method").GetString(), "its own radius");
        Assert.AreEqual(2, methods[1].GetProperty("seeds").GetArrayLength());
        Assert.AreEqual(3, methods[1].GetProperty("differenceFromFirst").GetProperty("ECE").GetArrayLength());

        double[][] brier = [.. methods.Select(method => method.GetProperty("seeds").EnumerateArray()
            .Select(seed => seed.GetProperty("brierScore").GetDouble()).ToArray())];
        double[] differences = [brier[1][0] - brier[0][0], brier[1][1] - brier[0][1]];
        double mean = differences.Average(), half = 12.70620474 * Math.Abs(differences[0] - differences[1]) / 2;    // t of two seeds
        double[] given = [.. methods[1].GetProperty("differenceFromFirst").GetProperty("Brier").EnumerateArray()
            .Select(end => end.GetDouble())];
        Assert.AreNotEqual(0, mean);
        Assert.AreEqual(mean, given[0], 1e-9);
        Assert.AreEqual(mean - half, given[1], 1e-7);
        Assert.AreEqual(mean + half, given[2], 1e-7);
    }

    [TestMethod]
    public void CompareTrainsOnOnePartWithTheOptionsGivenAndMeasuresOnTheOther()
    {
        (int exitCode, string output, string error) = Run(["compare", ImagesPath, "--methods", "sgd", "--seeds", "1", "--seed", "5",
            "--json", "--learning-rate", "0.02", .. Small]);
        Assert.AreEqual(Done, exitCode, error);
        using JsonDocument json = JsonDocument.Parse(output);
        JsonElement measured = json.RootElement[0].GetProperty("seeds")[0];

        var mlContext = new MLContext(seed: 5);
        DataOperationsCatalog.TrainTestData split = mlContext.Data.TrainTestSplit(
            Fitted.Keys(mlContext, mlContext.Data.LoadImagesFromFolder(ImagesPath)), 0.2);
        using SharpnessAwareImageClassificationTransformer model = Fitted.Model(mlContext, split.TrainSet, options =>
        {
            (options.Arch, options.InitialWeights, options.Method) =
                (NetworkArchitecture.ConvNet, PretrainedWeights.None, SharpnessAwareMethod.Standard);
            (options.Epoch, options.BatchSize, options.ImageWidth, options.ImageHeight) = (3, 8, 12, 12);
            (options.LearningRate, options.Seed) = (0.02, 5);
        });
        MulticlassCalibrationMetrics expected =
            mlContext.MulticlassClassification.EvaluateCalibration(model.Transform(split.TestSet));
        Assert.AreEqual(expected.Count, measured.GetProperty("count").GetInt64());
        Assert.AreEqual(expected.LogLoss, measured.GetProperty("logLoss").GetDouble(), 1e-3);
        Assert.AreEqual(expected.BrierScore, measured.GetProperty("brierScore").GetDouble(), 1e-3);
    }

    [TestMethod]
    public void CompareFromTheWeightsOfThePackageTakesItsNetwork()
    {
        string packages = Folder.File("packages of compare");
        string weights = LayPackage(packages, "0.23.1");
        (int exitCode, _, string error) = RunWith(packages, "compare", ImagesPath, "--methods", "sgd", "--seeds", "1", "--size", "32",
            "--epochs", "1", "--device", "cpu", "--weights", "auto");
        Assert.AreEqual(Done, exitCode, error);
        StringAssert.Contains(error, $"The network is 'mlnet_resnet18' and starts from the weights in '{weights}'.");

        (exitCode, _, error) = RunWith(Folder.File("no packages"), "compare", ImagesPath, "--methods", "sgd", "--seeds", "1", "--size",
            "32", "--epochs", "1", "--device", "cpu", "--weights", weights);
        Directory.Delete(packages, recursive: true);
        Assert.AreEqual(Done, exitCode, error);
        StringAssert.Contains(error, $"The network is that of the file and starts from the weights in '{weights}'.");

        (exitCode, _, error) = RunWith(Folder.File("no packages"), "compare", ImagesPath, "--methods", "sgd", "--seeds", "1", "--size",
            "12", "--epochs", "1", "--device", "cpu", "--weights", "auto");
        Assert.AreEqual(Done, exitCode, error);
        StringAssert.Contains(error, "No pretrained weights were found");
        StringAssert.Contains(error, "The network is 'resnet20' and starts from random weights.");
    }

    [TestMethod]
    public void CompareShowsWhatItHasWhenALaterTrainingFails()
    {
        // The second method's radius makes the training diverge.
        string report = Folder.File("of one method.html");
        (int exitCode, string output, string error) =
            Run(["compare", ImagesPath, "--methods", "sgd", "sam", "--seeds", "1", "--rho", "1e30", "--report", report, .. Small]);
        string page = File.Exists(report) ? File.ReadAllText(report) : "";
        File.Delete(report);

        Assert.AreEqual(AtFault, exitCode, error);
        StringAssert.Contains(output, "Standard");
        StringAssert.Contains(page, "Standard");
        StringAssert.Contains(error, $"Saved {report}, without SAM (ρ = 1E+30).");
    }

    [TestMethod]
    public void TheReportOfAComparisonIsThereWhenTheFirstSeedIsDone()
    {
        string report = Folder.File("of the first seed.html");
        (int exitCode, string output, string error) = StopAt("seed 2: ", "", ["compare", ImagesPath, "--methods", "sgd", "csam",
            "--seeds", "1000", "--report", report, .. Small]);
        string page = File.Exists(report) ? File.ReadAllText(report) : "";
        File.Delete(report);

        Assert.AreEqual(Stopped, exitCode, error);
        StringAssert.Contains(output, "Standard");
        StringAssert.Contains(error, $"Saved {report}.");
        foreach (string method in new[] { "Standard", "CSAM" })
            StringAssert.Contains(page, method);
    }
}
