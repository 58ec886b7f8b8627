namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class PlainWordsTests
{
    [TestMethod]
    public void HeadlinesSayItInPlainWords()
    {
        AssertHeadline("Says 90.0 % on average and is right in 60.0 %: overconfident by 30.0 points.", .9f, 60, 40);
        AssertHeadline("Says 60.0 % on average and is right in 80.0 %: underconfident by 20.0 points.", .6f, 80, 20);
        // As the diagram beside it has it, whose P1 rounds 0.8405 up; 100 · 0.8405 is below 84.05.
        AssertHeadline(
            "Says 90.0 % on average and is right in 84.1 %: overconfident by 5.9 points.", .9f, 1_681, 319);
        // Standard error √(0.6 · 0.4 / 10) = 0.155.
        AssertHeadline(
            "Says 70.0 % on average and is right in 60.0 %: right on average, as far as 10 rows can tell (± 30.4 points).", .7f, 6, 4);

        static void AssertHeadline(string expected, float confidence, int right, int wrong) =>
            Assert.AreEqual(expected, PlainWords.Headline(Model((confidence, right, wrong))));
    }

    [TestMethod]
    [DataRow(.9f, "Says positive with 90.0 % on average, and 60.0 % are: too high by 30.0 points.")]
    [DataRow(.1f, "Says positive with 10.0 % on average, and 60.0 % are: too low by 50.0 points.")]
    public void ABinaryHeadlineSaysWhetherTheProbabilityIsTooHighOrTooLow(float probability, string expected) => Assert.AreEqual(
        expected, PlainWords.Headline(CalibrationMetrics.ComputeBinary(
            [.. Enumerable.Repeat(probability, 100)], [.. Enumerable.Range(0, 100).Select(row => row < 60)])));

    [TestMethod]
    public void DetailsSayWhichPredictionsWereRightNearlyAlways()
    {
        const string Caution = " A threshold looks better on the rows that it is chosen on than it is; abstention, which is fitted on "
            + "other rows, comes with a promise.";
        AssertDetails("35.0 points (ECE). The most confident 50.0 % of the predictions (20 rows), those with a confidence of at least "
            + "0.900, were correct in at least 95 % of these rows." + Caution, (.9f, 20, 0), (.6f, 0, 20));
        AssertDetails("58.6 points (ECE). The most confident 2.4 % of the predictions (1 row), those with a confidence of at least "
            + "0.990, were correct in at least 95 % of these rows." + Caution, (.99f, 1, 0), (.6f, 0, 40));
        AssertDetails("10.0 points (ECE). All predictions together were correct in at least 95 % of these rows.", (.9f, 20, 0));
        AssertDetails("60.0 points (ECE). No subset of the predictions, however confident, was correct in 95 % of these rows.",
            (.6f, 0, 20));

        static void AssertDetails(string expected, params (float, int, int)[] rows) =>
            Assert.AreEqual("Bin by bin, confidence and accuracy differ by " + expected, PlainWords.Details(Model(rows)));
    }

    /// <summary>80 % where 90 % were asked: that is more than chance if they were fitted on many rows, as far as one knows.</summary>
    [TestMethod]
    [DataRow(1000.0, "fewer than asked, by more than chance")]
    [DataRow(20.0, "as asked")]
    [DataRow(0.0, "fewer than asked, judged by the rows measured alone.")]
    public void SetsAreJudgedByTheRowsOfTheirFitToo(double fitted, string verdict)
    {
        AssertVerdict(verdict, fitted == 0 ? [] : [fitted], (1000, 800));
        AssertVerdict(verdict, [fitted, 0], (1000, 800), (0, 0));       // there are no rows of the second class
    }

    /// <summary>So few or fewer come by chance in 1.7 % and in 3.3 % of such fits and measures; 2.5 % are the limit.</summary>
    [TestMethod]
    [DataRow(870, "fewer than asked, by more than chance")]
    [DataRow(874, "as asked, as far as 1,000 rows can tell.")]
    public void SetsAreAccusedOfWhatChanceDoesInOneOfFortyCases(int covered, string verdict) =>
        AssertVerdict(verdict, [1000], (1000, covered));

    private static void AssertVerdict(string verdict, double[] fitted, params (int Rows, int Covered)[] classes) =>
        StringAssert.Contains(PlainWords.Sets(SingleSets.Of(fitted, classes)), verdict);

    private static MulticlassCalibrationMetrics Model(params (float Confidence, int Right, int Wrong)[] rows) => CalibrationMetrics.Compute(
        CalibrationMetricsTests.TwoClasses([.. rows.SelectMany(row => Enumerable.Repeat(row.Confidence, row.Right + row.Wrong))]),
        [.. rows.SelectMany(row => new int[row.Right].Concat(Enumerable.Repeat(1, row.Wrong)))], 2);
}
