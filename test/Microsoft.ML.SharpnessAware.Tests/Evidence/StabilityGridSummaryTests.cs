using MLSharpness.Evidence.Results;
using MLSharpness.Evidence.Summary;

namespace Microsoft.ML.SharpnessAware.Tests.Evidence;

[TestClass]
public sealed class StabilityGridSummaryTests
{
    [TestMethod]
    public void PairsInWhichOneMethodAloneTrainsAreCountedAndHalvesAreNot() => Assert.AreEqual(
        "| with batch norm | normalised | 5 % of the steps | 1 | 3 | 33 | 67 | 1 | 2 | 1 | 0 | 40.0 | 60.0 | +20.0 |",
        StabilityGridSummary.Table(
        [
            Row("SAM", "0.1", 0, 0.1), Row("SSAM", "0.1", 1, 0.8), Row("SAM", "0.2", 1, 0.9), Row("SSAM", "0.2", 0, 0.1),
            Row("SAM", "0.4", 0, 0.2), Row("SSAM", "0.4", 1, 0.9), Row("SAM", "0.8", 1, 0.9),
        ]).Split('\n')[^1]);

    private static ResultRow Row(string method, string rate, int trains, double accuracy) => new(
        ["setting", "warm_up", "climb", "method", "learning_rate", "rho", "seed", "diverged", "trains", "accuracy"],
        ["fashion-1000", "0.05", "normalised", method, rate, "0.8", "1", accuracy == 0.1 && method == "SAM" ? "1" : "0", $"{trains}",
            $"{accuracy}"]);
}
