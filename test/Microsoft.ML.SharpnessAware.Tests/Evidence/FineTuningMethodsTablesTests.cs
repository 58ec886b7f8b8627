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

    /// <summary>As above once, and again with gains of 0.1 and 0.4: each seed's mean of both is 0.075 and 0.3.</summary>
    [TestMethod]
    public void TwoRunsAreBesideEachOtherAndTheirMeanIsOfEachSeed()
    {
        ResultRow[] again =
        [
            Row("10", "base", 2, 0.6), Row("10", "base", 1, 0.8), Row("10", "SAM", 1, 0.7), Row("10", "SAM", 2, 0.2),
            Row("10", "base", 3, 0.1), Row("10", "SAM", 3, 0.0),
        ];
        string[] cells = FineTuningMethodsTables.Twice(Rows, again, "base").Split('\n')[^1].Split('|', StringSplitOptions.TrimEntries);
        StringAssert.StartsWith(cells[2], "−0.125 [");
        StringAssert.StartsWith(cells[3], "−0.200 [", "three seeds, of which one was trained in this run only");
        StringAssert.StartsWith(cells[4], "−0.188 [");
    }

    [TestMethod]
    public void AMethodAtEachRadiusIsOfSizesThatAllRadiiHave()
    {
        ResultRow[] rows =
        [
            Row("10", "CSAM 1", 1, 0.7).With("rho", "0.01"), Row("50", "CSAM 1", 1, 0.5).With("rho", "0.01"),
            Row("10", "SAM", 1, 0.7).With("rho", "0.01"), Row("10", "CSAM 1", 2, 0.6).With("rho", "0.005"),
        ];
        IReadOnlyList<ResultRow> each = FineTuningMethodsTables.AtEachRadius(
            rows, [Row("10", "CSAM 1", 1, 0.4).With("rho", "0.02")], "CSAM 1", "0.01", "0.02");
        CollectionAssert.AreEqual(new[] { "ρ = 0.01, 10", "ρ = 0.02, 10" },
            each.Select(row => $"{row["method"]}, {row["pictures"]}").ToArray());
        Assert.AreEqual("0.01", rows[0]["rho"], "the rows themselves stay as they are");
    }

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
