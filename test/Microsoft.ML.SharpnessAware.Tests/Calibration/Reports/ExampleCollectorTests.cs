namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class ExampleCollectorTests
{
    [TestMethod]
    public void TheMostExtremeRowsAreKeptAndOfEqualsTheEarliest()
    {
        ExampleCollector collector = new(limit: 2);
        float[] wrong = [.6f, .9f, .7f, .9f, .9f, .5f];
        float[] right = [.6f, .55f, .7f, .55f, .55f, .9f];
        for (int i = 0; i < wrong.Length; i++)
        {
            Add(collector, 2 * i, label: 1, wrong[i], 1 - wrong[i]);
            Add(collector, 2 * i + 1, label: 0, right[i], 1 - right[i]);
        }

        CollectionAssert.AreEqual(new long[] { 2, 6 }, collector.ConfidentlyWrong.Select(row => row.Row).ToArray());
        CollectionAssert.AreEqual(new long[] { 3, 7 }, collector.HesitantlyRight.Select(row => row.Row).ToArray());
        Assert.AreEqual(new ReportRow(2, default, Label: 1, Predicted: 0, .9f, 1 - .9f), collector.ConfidentlyWrong[0]);
    }

    [TestMethod]
    public void ATieIsThePredictionOfTheLowestIndex()
    {
        ExampleCollector collector = new(limit: 5);
        Add(collector, 4, label: 1, .5f, .5f);
        Assert.AreEqual(0, collector.ConfidentlyWrong.Single().Predicted);
    }

    private static void Add(ExampleCollector collector, long row, int label, params float[] scores)
        => collector.Add(row, default, label, scores);
}
