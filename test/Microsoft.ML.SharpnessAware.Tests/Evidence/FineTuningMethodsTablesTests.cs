using MLSharpness.Evidence.Results;
using MLSharpness.Evidence.Summary;

namespace Microsoft.ML.SharpnessAware.Tests.Evidence;

[TestClass]
public sealed class FineTuningMethodsTablesTests
{
    private static readonly ResultRow[] Rows =
    [
        Row("10", "base", 1, 0.8), Row("10", "base", 2, 0.6), Row("50", "base", 1, 0.4), Row("50", "base", 2, 0.2),
        Row("10", "SAM", 1, 0.7), Row("10", "SAM", 2, 0.4), Row("50", "SAM", 1, 0.4), Row("50", "SAM", 2, 0.0),
    ];

    /// <summary>Seed 1 gains 0.1 and 0, seed 2 0.2 and 0.2: 0.05 and 0.2 on the mean of the sizes, 0.125 ± 0.075 over seeds, and Student's
    /// t of one degree of freedom is 12.71.</summary>
    [TestMethod]
    public void TheOverallDifferenceHasItsIntervalOverSeeds() => Assert.AreEqual(
        "| SAM | −0.125 [−1.078, +0.828] | −0.125 [−1.078, +0.828] |",
        FineTuningMethodsTables.Overall(Rows, "base").Split('\n')[^1]);

    [TestMethod]
    public void ADifferenceIsOfPairsWithTheSameSeedSetAndSize() => Assert.AreEqual(
        "| SAM | −0.150 [−0.785, +0.485] | −0.100 [−1.371, +1.171] |",
        FineTuningMethodsTables.Differences(Rows, "base").Split('\n')[^1]);

    [TestMethod]
    public void SmoothErrorsAreShownAsPercentagesByMethodAndCell()
    {
        string[] columns = ["setting", "pictures", "method", "rho", "seed", "smooth_ece", "ts_smooth_ece"];
        string table = FineTuningMethodsTables.SmoothErrors(
        [
            new(columns, ["hands-pictures", "10", "base", "0", "1", "0.1", "0.05"]),
            new(columns, ["hands-pictures", "10", "base", "0", "2", "0.2", "0.05"]),
        ]);
        StringAssert.Contains(table, "| Smooth ECE % before the temperature | ρ | hands, 10 |");
        StringAssert.Contains(table, "| base | 0 | 15.0 ± 5.0 |");
        Assert.AreEqual("| base | 0 | 5.0 ± 0.0 |", table.Split('\n')[^1]);
    }

    private static ResultRow Row(string pictures, string method, int seed, double loss) => new(
        ["setting", "pictures", "method", "rho", "seed", "accuracy", "ece", "log_loss", "ts_log_loss"],
        ["hands-pictures", pictures, method, "0", $"{seed}", "0.9", "0.1", $"{loss}", $"{loss}"]);
}
