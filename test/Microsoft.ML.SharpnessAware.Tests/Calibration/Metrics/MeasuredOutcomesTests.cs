namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class MeasuredOutcomesTests
{
    [TestMethod]
    [DataRow(0)]
    [DataRow(1)]
    [DataRow(16)]
    [DataRow(17)]
    [DataRow(8191)]
    [DataRow(8192)]
    [DataRow(8193)]
    [DataRow(20_000)]
    public void RowsComeBackAsTheyWereAndTheRankingHasThemAll(int rows)
    {
        var outcomes = new MeasuredOutcomes();
        for (int row = 0; row < rows; row++)
        {
            Assert.AreEqual(row, outcomes.Count);
            outcomes.Add(label: 0, Confidence(row), IsRight(row), logLoss: row, brierScore: 2f * row);
        }

        for (int row = 0; row < rows; row++)
            Assert.AreEqual((Confidence(row), IsRight(row), (double)row, 2.0 * row), outcomes.Row(row));
        var expected = Enumerable.Range(0, rows).Select(row => ((double)Confidence(row), IsRight(row))).Order();
        CollectionAssert.AreEqual(expected.ToArray(), outcomes.Ranking().Rows().ToArray());

        static float Confidence(int row) => (1 + (row * 7919L % 10_007)) / 10_008f;
        static bool IsRight(int row) => row % 3 != 0;
    }
}
