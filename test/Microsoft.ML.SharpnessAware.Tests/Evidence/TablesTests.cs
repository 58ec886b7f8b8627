using System.Globalization;
using MLSharpness.Evidence.Results;
using MLSharpness.Evidence.Summary;

namespace Microsoft.ML.SharpnessAware.Tests.Evidence;

[TestClass]
public sealed class TablesTests
{
    private static readonly string[] Columns = ["climb", "method", "learning_rate", "rho", "seed", "accuracy"];

    /// <summary>SSAM is ahead by 10 and 20 points with the two seeds that have both methods: 15 ± 12.7 · 5. The third has no SSAM
    /// yet.</summary>
    [TestMethod]
    public void ARegimeComparesTheSeedsThatHaveTheWholeGrid()
    {
        string table = Tables.Regimes(
            [
                Row("SAM", "1", "0.50"), Row("SSAM", "1", "0.60"), Row("SAM", "2", "0.40"), Row("SSAM", "2", "0.60"),
                    Row("SAM", "3", "0.10"),
            ]);
        Assert.AreEqual("| normalised | learning rate 0.8, ρ = 0.4 | 45.0 | 60.0 | +15.0 [−48.5, +78.5] |", table.Split('\n')[^1]);
    }

    /// <summary>Two trainings whose draws of rows gain 0.1 and 0.3, and 0.3 and 0.5: differences of −0.2 and −0.4, −0.3 ± 12.7 · 0.1.
    /// As four independent ones they would be −0.3 ± 3.18 · 0.08, and clear.</summary>
    [TestMethod]
    public void DrawsOfATrainingCountAsOne()
    {
        ResultRow[] rows =
        [
            .. Draw("1", "1", 0.7), .. Draw("1", "2", 0.5), .. Draw("2", "1", 0.5), .. Draw("2", "2", 0.3),
        ];
        string[] lines = Tables.Calibrators(rows).Split('\n');
        Assert.AreEqual("| net | 50 | 0.800 · 10.0 | 0.500 · 0.0 · −0.300 [−1.571, +0.971] |", lines[2]);

        static ResultRow[] Draw(string seed, string draw, double vector)
        {
            string[] columns = ["model", "rows", "calibrator", "seed", "draw", "log_loss", "ece"];
            return
            [
                new(columns, ["net", "50", "temperature", seed, draw, "0.8", "0.1"]),
                new(columns, ["net", "50", "vector", seed, draw, vector.ToString(CultureInfo.InvariantCulture), "0"]),
            ];
        }
    }

    /// <summary>One model that is calibrated already and one that is not, at two sizes.</summary>
    [TestMethod]
    public void TemperaturesAreJudgedByHarmAndByWhatTheyGain()
    {
        string[] columns = ["model", "rows", "prior", "cross_fit", "seed", "log_loss", "best_log_loss", "fitted_log_loss", "harmed"];
        string[] lines = Tables.Temperatures(
            [
                new(columns, ["good", "20", "4", "1.645", "1", "0.5", "0.499", "0.502", "0.1"]),
                new(columns, ["sure", "20", "4", "1.645", "1", "0.9", "0.7", "0.75", "0"]),
                new(columns, ["good", "100", "4", "1.645", "1", "0.5", "0.499", "0.4995", "0"]),
                new(columns, ["sure", "100", "4", "1.645", "1", "0.9", "0.7", "0.7", "0"]),
                new(columns, ["sure", "20", "0", "Infinity", "1", "0.9", "0.7", "1", "0.5"]),
            ]).Split('\n');
        Assert.AreEqual("| 4 | 1.645 s.e. | +0.002 · 5 % · 75 % | −0.001 · 0 % · 100 % |", lines[2]);
        Assert.AreEqual("| none | no | 0.000 · 50 % · -50 % | – |", lines[3]);
    }

    private static ResultRow Row(string method, string seed, string accuracy) =>
        new(Columns, ["normalised", method, "0.8", "0.4", seed, accuracy]);
}
