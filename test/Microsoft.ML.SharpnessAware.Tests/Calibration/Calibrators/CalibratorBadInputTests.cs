using Microsoft.ML.Data;
using static Microsoft.ML.SharpnessAware.Tests.Calibration.CalibratorFits;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class CalibratorBadInputTests
{
    [TestMethod]
    public void ScoresThatAreNotProbabilitiesAreRefusedWithTheRow()
    {
        AssertRefused([1.5f, -.5f], "negative score -0.5 for class 1");
        AssertRefused([.8f, .8f], "sum to 1.6");
        AssertRefused([float.NaN, .8f], "NaN");
        AssertRefused([float.PositiveInfinity, 0], "more than 1");

        static void AssertRefused(float[] row, string problem)
        {
            string message = Assert.ThrowsExactly<InvalidOperationException>(
                () => Fit("Vector", ScoredRows.Of(2, (0, [.8f, .2f]), (1, row)))).Message;
            StringAssert.Contains(message, "Column 'Score'");
            StringAssert.Contains(message, "row 1 (counted from 0)");
            StringAssert.Contains(message, problem);
        }
    }

    [TestMethod]
    public void RowsWithoutLabelAreLeftOutAndReported()
    {
        var mlContext = new MLContext(1);
        List<string> warnings = [];
        mlContext.CollectWarnings(warnings);
        ScoredRows rows = ScoredRows.Confused(40);
        var unlabelled = ScoredRows.Of(3, (-1, [float.NaN, 0, 0]), (-1, [.2f, .2f, .6f]));
        ScoredRows both = new([.. rows.Row(0), .. unlabelled.Scores, .. rows.Scores[3..]], [rows.Labels[0], -1, -1, .. rows.Labels[1..]],
            3);
        CollectionAssert.AreEqual(Parameters(Fit("Vector", rows)),
            Parameters(Estimator("Vector", mlContext).Fit(both.View(mlContext)).Calibrator));
        Assert.HasCount(2, warnings);
        StringAssert.Contains(warnings[1], "A calibrator is fitted on 40 row(s). Fewer than 100 say little");
        StringAssert.Contains(warnings[0], "2 row(s) were left out because the label column 'Label' is missing or unknown; the first is " +
            "row 1");
    }

    [TestMethod]
    public void DataWithoutUsableRowsIsRefused()
    {
        IDataView none = Context.Data.SkipRows(ScoredRows.Confused(5).View(Context), 5);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => Estimator("Temperature").Fit(none)).Message, "no rows");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(
            () => Fit("Temperature", ScoredRows.Of(2, (-1, [.5f, .5f])))).Message, "None of the 1 row(s)");
    }

    [TestMethod]
    public void WrongColumnsAreNamed()
    {
        IDataView data = Context.Data.LoadFromEnumerable([new Wrong()]);
        AssertRefused("Missing", "Score", "'Missing'", "NotAKey");
        AssertRefused("Label", "Missing", "'Missing'", "NotAKey");
        AssertRefused("NotAKey", "Score", "'NotAKey'", "MapValueToKey");
        AssertRefused("Label", "Scalar", "'Scalar'", "vector of known size");
        AssertRefused("Label", "Doubles", "'Doubles'", "Double");
        AssertRefused("Label", "UnknownSize", "'UnknownSize'", "known size");
        AssertRefused("Label", "One", "'One'", "at least 2");
        AssertRefused("ThreeValues", "Score", "'ThreeValues' has 3 keys", "'Score' 2 scores");

        void AssertRefused(string label, string score, params string[] parts)
        {
            string message = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => Context.MulticlassClassification.Calibrators.Temperature(label, score).Fit(data)).Message;
            foreach (string part in parts)
                StringAssert.Contains(message, part);
        }
    }

    [TestMethod]
    public void APredictedLabelOfOtherClassesIsRefused()
    {
        IDataView data = Context.Data.LoadFromEnumerable([new Wrong()]);
        string message = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => Context.MulticlassClassification.Calibrators.Isotonic(predictedLabelColumnName: "ThreeValues").Fit(data)).Message;
        StringAssert.Contains(message, "'ThreeValues' is a key of 3 values, but column 'Score' has 2 scores");
    }

    [TestMethod]
    public void ACalibratorOfAnotherNumberOfClassesIsRefused()
    {
        MulticlassCalibratorTransformer transformer = Estimator("Temperature").Fit(ScoredRows.Confused(20).View(Context));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => transformer.Transform(ScoredRows.Of(2, (0, [.5f, .5f])).View(Context))).Message,
                "has 2 scores, but the calibrator was fitted on 3");
    }

    [TestMethod]
    public void WrongArgumentsAreNamed()
    {
        MulticlassCalibratorsCatalog catalog = Context.MulticlassClassification.Calibrators;
        Assert.AreEqual("labelColumnName", Assert.ThrowsExactly<ArgumentException>(() => catalog.Temperature("")).ParamName);
        Assert.AreEqual("scoreColumnName", Assert.ThrowsExactly<ArgumentException>(() => catalog.Vector(scoreColumnName: "")).ParamName);
        Assert.AreEqual("predictedLabelColumnName",
            Assert.ThrowsExactly<ArgumentException>(() => catalog.Isotonic(predictedLabelColumnName: "")).ParamName);
        Assert.AreEqual("input", Assert.ThrowsExactly<ArgumentNullException>(() => catalog.Dirichlet().Fit(null!)).ParamName);
    }

    private sealed class Wrong
    {
        [KeyType(2)]
        public uint Label { get; set; }

        [VectorType(2)]
        public float[] Score { get; set; } = [1, 0];

        [KeyType(3)]
        public uint ThreeValues { get; set; }

        public uint NotAKey { get; set; }

        public float Scalar { get; set; }

        [VectorType(1)]
        public float[] One { get; set; } = [1];

        [VectorType(2)]
        public double[] Doubles { get; set; } = [1, 0];

        public float[] UnknownSize { get; set; } = [1, 0];
    }
}
