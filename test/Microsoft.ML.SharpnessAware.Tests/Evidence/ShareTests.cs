using MLSharpness.Evidence.Results;
using MLSharpness.Evidence.Summary;

namespace Microsoft.ML.SharpnessAware.Tests.Evidence;

[TestClass]
public sealed class ShareTests
{
    /// <summary>The whole is known exactly: then the interval is Student's of the part, divided by it.</summary>
    [TestMethod]
    public void OfAWholeWithoutSpreadItIsStudentsInterval()
    {
        Share share = Share.Of([(1, 10), (2, 10), (3, 10), (4, 10), (5, 10)]);
        double half = Estimate.Of([1, 2, 3, 4, 5]).HalfWidth / 10;
        Assert.AreEqual(0.3, share.Ratio, 1e-12);
        Assert.AreEqual(0.3 - half, share.Lower, 1e-12);
        Assert.AreEqual(0.3 + half, share.Upper, 1e-12);
        Assert.AreEqual("30 % [10 %, 50 %]", share.Text);
    }

    [TestMethod]
    public void AShareThatIsTheSameForEachSeedHasNoSpread()
    {
        Share share = Share.Of([(9, 10), (9.9, 11), (10.8, 12)]);
        Assert.AreEqual(0.9, share.Lower, 1e-6);
        Assert.AreEqual(0.9, share.Upper, 1e-6);
    }

    /// <summary>By hand at the ends of the interval: part − r · whole has a mean of exactly t standard errors.</summary>
    [TestMethod]
    public void AtTheEndsTheDifferenceIsJustClear()
    {
        (double Part, double Whole)[] pairs = [(1, 2.1), (1.5, 2), (0.8, 1.7), (1.2, 2.4)];
        Share share = Share.Of(pairs);
        foreach (double end in new[] { share.Lower, share.Upper })
        {
            Estimate difference = Estimate.Of([.. pairs.Select(pair => pair.Part - (end * pair.Whole))]);
            Assert.AreEqual(difference.HalfWidth, Math.Abs(difference.Mean), 1e-9);
        }
        Assert.IsTrue(share.Lower < share.Ratio && share.Ratio < share.Upper);
    }

    [TestMethod]
    public void OfAWholeThatMayBeZeroThereIsNoShare() => Assert.AreEqual("–", Share.Of([(1, 1), (1, -1), (1, 0.5)]).Text);

    [TestMethod]
    public void KeptAndAveragesAreTables()
    {
        string[] columns = ["method", "seed", "log_loss", "ece", "ts_log_loss", "accuracy"];
        ResultRow Row(string method, string seed, string logLoss) => new(columns, [method, seed, logLoss, "0.1", "0.3", "0.5"]);
        string[] lines = Tables.Kept(
        [
            Row("base", "1", "0.5"), Row("CSAM 1", "1", "0.4"), Row("CSAM 1 late 0.25", "1", "0.41"), Row("SAM", "1", "0.45"),
            Row("CSAM 1 late 0.25", "2", "0.4"),
        ]).Split('\n');
        Assert.HasCount(3, lines);
        StringAssert.StartsWith(lines[2], "| CSAM 1 late 0.25 | 1 | 90 % | ");

        string[] weights = ["method", "weights", "seed", "accuracy", "log_loss", "ece"];
        lines = Tables.Averages(
        [
            new(weights, ["SAM", "uniform 0.25", "1", "0.82", "0.5", "0.1"]), new(weights, ["SAM", "last", "1", "0.8", "0.6", "0.2"]),
        ]).Split('\n');
        Assert.AreEqual("| SAM | last | 1 | 80.0 | 0.600 | 20.00 |  |  |  |", lines[2]);
        Assert.AreEqual("| SAM | uniform 0.25 | 1 | 82.0 | 0.500 | 10.00 | +2.0 | −0.100 | −10.00 |", lines[3]);
    }
}
