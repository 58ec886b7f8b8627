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

    /// <summary>The same rows are those whose classes have the same names; places count where there are no names.</summary>
    [TestMethod]
    public void LabelsAreTheSameByTheirNamesOrElseByTheirPlaces()
    {
        MeasuredOutcomes first = Of([0, 1, 2, 0], ["cat", "dog", "eel"]);
        Assert.IsTrue(first.HasTheLabelsOf(Of([2, 0, 1, 2], ["dog", "eel", "cat"])));
        Assert.IsTrue(first.HasTheLabelsOf(Of([3, 1, 2, 3], ["yak", "dog", "eel", "cat"])), "a class without rows");
        Assert.IsFalse(first.HasTheLabelsOf(Of([0, 1, 2, 0], ["dog", "eel", "cat"])), "the same places of other classes");
        Assert.IsFalse(first.HasTheLabelsOf(Of([0, 1, 0, 2], ["cat", "dog", "eel"])), "another order of rows");
        Assert.IsFalse(first.HasTheLabelsOf(Of([0, 1, 2], ["cat", "dog", "eel"])), "fewer rows");
        Assert.IsFalse(first.HasTheLabelsOf(Of([0, 1, 2, 2], ["cat", "dog", "cat"])), "two classes of one name");
        Assert.IsTrue(first.HasTheLabelsOf(Of([0, 1, 2, 0], null)));
        Assert.IsTrue(first.HasTheLabelsOf(Of([0, 1, 2, 0], ["Cat", "Dog", "Eel"])), "no name in common");
        Assert.IsTrue(Of([0, 1, 2, 0], null).HasTheLabelsOf(Of([0, 1, 2, 0], null)));
        Assert.IsFalse(Of([0, 1, 2, 0], null).HasTheLabelsOf(Of([1, 0, 2, 1], null)));
        Assert.IsTrue(Of([], null).HasTheLabelsOf(Of([], ["cat"])));

        static MeasuredOutcomes Of(int[] labels, string[]? names)
        {
            var outcomes = new MeasuredOutcomes { ClassNames = names };
            foreach (int label in labels)
                outcomes.Add(label, 0.5f, correct: true, 0.7, 0.5);
            return outcomes;
        }
    }
}
