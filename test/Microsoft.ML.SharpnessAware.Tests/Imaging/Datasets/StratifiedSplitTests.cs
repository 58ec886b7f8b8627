using CsCheck;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class StratifiedSplitTests
{
    private static readonly Gen<(long[] Labels, double Fraction, int Seed)> Cases =
        Gen.Select(Gen.Long[0, 6].Array[0, 200], Gen.Double[0, 0.99], Gen.Int);

    [TestMethod]
    public void EveryRowIsInExactlyOnePartAndBothAreAscending() => Cases.Sample(c =>
    {
        (long[] training, long[] validation) = StratifiedSplit.Split(c.Labels, c.Fraction, c.Seed);
        long[] all = [.. Enumerable.Range(0, c.Labels.Length).Select(row => (long)row)];
        CollectionAssert.AreEqual(all, training.Concat(validation).Order().ToArray());
        CollectionAssert.AreEqual(training.Order().ToArray(), training);
        CollectionAssert.AreEqual(validation.Order().ToArray(), validation);
    });

    [TestMethod]
    public void EveryClassGivesItsShareRoundedAndKeepsATrainingRow() => Cases.Sample(c =>
    {
        (long[] training, long[] validation) = StratifiedSplit.Split(c.Labels, c.Fraction, c.Seed);
        foreach (IGrouping<long, long> rows in c.Labels.GroupBy(label => label))
        {
            int taken = validation.Count(row => c.Labels[row] == rows.Key);
            double share = c.Fraction * rows.Count();
            Assert.IsTrue(taken < share + 1 && (taken > share - 1 || taken == rows.Count() - 1), $"{taken} of {share}");
            Assert.Contains(rows.Key, training.Select(row => c.Labels[row]));
        }
    });

    /// <summary>As many rows of each class as at random, and of each class those that follow each other.</summary>
    [TestMethod]
    public void RowsThatAreSetAsideTogetherFollowEachOtherInTheirClass() => Cases.Sample(c =>
    {
        (long[] training, long[] validation) = StratifiedSplit.SplitTogether(c.Labels, c.Fraction, c.Seed);
        CollectionAssert.AreEqual(
            Enumerable.Range(0, c.Labels.Length).Select(row => (long)row).ToArray(), training.Concat(validation).Order().ToArray());
        CollectionAssert.AreEqual(training.Order().ToArray(), training);
        CollectionAssert.AreEqual(validation.Order().ToArray(), validation);
        foreach (IGrouping<long, long> rows in training.Concat(validation).Order().GroupBy(row => c.Labels[row]))
        {
            int[] places = [.. rows.Index().Where(row => validation.Contains(row.Item)).Select(row => row.Index)];
            double share = c.Fraction * rows.Count();
            Assert.IsTrue(places.Length < share + 1 && (places.Length > share - 1 || places.Length == rows.Count() - 1));
            Assert.IsLessThan(rows.Count(), places.Length);
            if (places.Length > 0)
                Assert.AreEqual(places.Length - 1, places[^1] - places[0]);
        }
    });

    [TestMethod]
    public void TheSeedChoosesWhichFifthOfEachClassIsSetAside()
    {
        long[] labels = [.. Enumerable.Range(0, 50).Select(i => (long)(i % 2))];
        long[][] fifths = [.. Enumerable.Range(0, 40).Select(seed => StratifiedSplit.SplitTogether(labels, 0.2, seed).Validation)
            .DistinctBy(rows => rows[0]).OrderBy(rows => rows[0])];
        Assert.HasCount(5, fifths);
        for (int i = 0; i < 5; i++)
            CollectionAssert.AreEqual(Enumerable.Range(10 * i, 10).Select(row => (long)row).ToArray(), fifths[i]);
    }

    [TestMethod]
    public void TheWholeIsRoundedTooUnlessClassesRunOut()
    {
        long[] labels = [.. Enumerable.Range(0, 250).Select(i => (long)(i % 10))];
        for (int seed = 0; seed < 20; seed++)
            Assert.HasCount(25, StratifiedSplit.Split(labels, 0.1, seed).Validation);
        Assert.IsEmpty(StratifiedSplit.Split([0, 1, 2, 3], 0.5, 1).Validation);
        Assert.IsEmpty(StratifiedSplit.Split(labels, 0, 1).Validation);
    }

    [TestMethod]
    public void HalfARowIsRoundedUp()
    {
        for (int seed = 0; seed < 3; seed++)
        {
            Assert.HasCount(1, StratifiedSplit.Split(new long[7], 0.1, seed).Validation);
            Assert.HasCount(3, StratifiedSplit.Split(new long[5], 0.5, seed).Validation);
        }
    }

    [TestMethod]
    public void WhoLosesMostByRoundingDownIsRoundedUp()
    {
        long[] labels = [.. Enumerable.Repeat(0L, 19), .. Enumerable.Repeat(1L, 11)]; // shares of 1.9 and 1.1, together 3
        for (int seed = 0; seed < 20; seed++)
            Assert.AreEqual(2, StratifiedSplit.Split(labels, 0.1, seed).Validation.Count(row => labels[row] == 0));
    }

    [TestMethod]
    public void ThoseRoundedUpAreNotAlwaysTheSameClasses()
    {
        long[] labels = [.. Enumerable.Range(0, 250).Select(i => (long)(i % 10))];
        int[] more = new int[10];
        for (int seed = 0; seed < 50; seed++)
        {
            var classes = StratifiedSplit.Split(labels, 0.1, seed).Validation.GroupBy(row => labels[row]);
            foreach (var rows in classes.Where(rows => rows.Count() == 3))
                more[rows.Key]++;
        }

        Assert.IsTrue(more.All(count => count is > 0 and < 50));
    }

    [TestMethod]
    public void TheSeedDecidesAndNothingElse() => Cases.Sample(c =>
    {
        (long[] training, long[] validation) = StratifiedSplit.Split(c.Labels, c.Fraction, c.Seed);
        (long[] again, long[] validationAgain) = StratifiedSplit.Split(c.Labels, c.Fraction, c.Seed);
        CollectionAssert.AreEqual(training, again);
        CollectionAssert.AreEqual(validation, validationAgain);
    });

    [TestMethod]
    public void AnotherSeedGivesAnotherSplit()
    {
        long[] labels = new long[100];
        CollectionAssert.AreNotEqual(StratifiedSplit.Split(labels, 0.5, 1).Validation, StratifiedSplit.Split(labels, 0.5, 2).Validation);
    }

    [TestMethod]
    [DataRow(-0.1)]
    [DataRow(1.0)]
    [DataRow(double.NaN)]
    public void FractionsOutOfRangeAreRefused(double fraction) =>
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => StratifiedSplit.Split([0, 0], fraction, 1));
}
