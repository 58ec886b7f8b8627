using MLSharpness.Evidence.Results;
using MLSharpness.Evidence.Summary;

namespace Microsoft.ML.SharpnessAware.Tests.Evidence;

[TestClass]
public sealed class TablesTests
{
    private static readonly string[] _columns = ["climb", "method", "learning_rate", "rho", "seed", "accuracy"];

    /// <summary>SSAM is ahead by 10 and 20 points with the two seeds that have both methods: 15 ± 12.7 · 5. The third has no SSAM yet.</summary>
    [TestMethod]
    public void ARegimeComparesTheSeedsThatHaveTheWholeGrid()
    {
        string table = Tables.Regimes(
            [
                Row("SAM", "1", "0.50"), Row("SSAM", "1", "0.60"), Row("SAM", "2", "0.40"), Row("SSAM", "2", "0.60"), Row("SAM", "3", "0.10"),
            ]);
        Assert.AreEqual("| normalised | learning rate 0.8, ρ = 0.4 | 45.0 | 60.0 | +15.0 [−48.5, +78.5] |", table.Split('\n')[^1]);
    }

    /// <summary>Two networks: the mean of the means, the worst of the worst.</summary>
    [TestMethod]
    public void TemperaturesAreMeansWithTheWorstInBrackets()
    {
        string[] columns =
        [
            "setting", "images", "log_loss", "ece", "alone_log_loss", "alone_worst_log_loss", "alone_ece", "smoothed_log_loss", "smoothed_worst_log_loss",
            "smoothed_ece",
        ];
        string table = Tables.Temperatures(
            [
                new(columns, ["digits", "20", "0.1", "0.01", "0.2", "0.5", "0.02", "0.15", "0.3", "0.03"]),
                new(columns, ["digits", "20", "0.3", "0.03", "0.4", "0.9", "0.04", "0.25", "0.4", "0.05"]),
            ]);
        Assert.AreEqual("| digits | 20 | 0.200 | 0.300 (0.90) | 0.200 (0.40) | 2.00 | 3.00 | 4.00 |", table.Split('\n')[^1]);
    }

    private static ResultRow Row(string method, string seed, string accuracy) => new(_columns, ["normalised", method, "0.8", "0.4", seed, accuracy]);
}
