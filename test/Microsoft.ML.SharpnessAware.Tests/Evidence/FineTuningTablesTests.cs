using MLSharpness.Evidence;
using MLSharpness.Evidence.Experiments;
using MLSharpness.Evidence.Results;
using MLSharpness.Evidence.Summary;

namespace Microsoft.ML.SharpnessAware.Tests.Evidence;

[TestClass]
public sealed class FineTuningTablesTests
{
    /// <summary>Large steps are 0.1 and 0.3 better with the two seeds that both ways have on signs, and not run on clothes.</summary>
    [TestMethod]
    public void AWayIsComparedWithTheDefaultSeedBySeedAndWhatWasNotRunIsADash()
    {
        string[] columns = ["pictures", "method", "rho", "seed", "accuracy", "ts_log_loss"];
        ResultRow Row(string set, string method, string seed, string loss) => new(columns, [set, method, "0.01", seed, "0.9", loss]);
        ResultRow[] rows =
        [
            Row("signs 20", "gentle at 0.001", "1", "0.5"), Row("signs 20", "gentle at 0.001", "2", "0.6"),
            Row("signs 20", "gentle at 0.001", "3", "0.1"), Row("signs 20", "gentle at 0.003", "1", "0.4"),
            Row("signs 20", "gentle at 0.003", "2", "0.3"), Row("clothes 20", "gentle at 0.001", "1", "0.7"),
        ];
        Assert.AreEqual(
            "| gentle at 0.003, ρ = 0.01 | −0.200 [−1.471, +1.071] | – |", FineTuningTables.AgainstDefault(rows).Split('\n')[^1]);
        Assert.AreEqual("| gentle at 0.003 | 0.01 | 90.0 | – | 0.350 | – | 2 / 0 |", FineTuningTables.Ways(rows).Split('\n')[^1]);
    }

    [TestMethod]
    public void TheHeadWithItsTemperatureIsComparedWithEachModelAsItIsAndWithOne()
    {
        string[] columns = ["setting", "pictures", "method", "calibrator", "seed", "accuracy", "ece", "log_loss"];
        const string Rival = "maximum entropy on DnnFeaturizeImage";
        string[] lines = FineTuningTables.AgainstRivals(
            [
                new(columns, ["signs", "10", HeadModels.Head, "temperature", "1", "0.8", "0.03", "0.6"]),
                new(columns, ["signs", "10", Rival, "none", "1", "0.7", "0.1", "0.9"]),
                new(columns, ["signs", "10", Rival, "temperature", "1", "0.7", "0.05", "0.7"]),
            ]).Split('\n');
        Assert.AreEqual($"| signs | 10 | {Rival} | +10.0 | −7.0 | −0.300 |", lines[2]);
        Assert.AreEqual($"| signs | 10 | {Rival}, temperature | +10.0 | −2.0 | −0.100 |", lines[3]);
    }

    /// <summary>Of 2 × 3 pairs the clean one has more confidence in three, as much in one.</summary>
    [TestMethod]
    public void TheAreaUnderTheCurveIsTheShareOfPairsThatAreInOrder() =>
        Assert.AreEqual(3.5 / 6, OutOfDistribution.AreaUnderCurve([0.9f, 0.5f], [0.5f, 0.6f, 0.7f]), 1e-12);
}
