using CsCheck;
using static Microsoft.ML.SharpnessAware.Tests.Calibration.CalibratorFits;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class DirichletCalibratorTests
{
    [TestMethod]
    public void GradientIsThatOfFiniteDifferences() => (
        from rows in ScoredRows.Random
        from point in Gen.Double[-1, 2].Array[rows.Classes * rows.Classes + rows.Classes]
        select (rows, point)).Sample(test =>
            AssertGradient(new DirichletObjective(new SmoothedLogLoss(test.rows.ForFit()), 10, 3, 0.7).Evaluate, test.point), iter: 40);

    /// <summary>W is known only up to a number added to a whole column, b up to one added to all: differences are compared.</summary>
    [TestMethod]
    public void AKnownMatrixIsRecovered()
    {
        double[,] weights = { { .6, .2, 0 }, { 0, 1, -.3 }, { .1, 0, .8 } };
        DirichletCalibrator calibrator = Fit(ScoredRows.Drawn(30_000, weights, [.4, 0, -.4]), offDiagonalRegularization: 0.1);
        for (int i = 1; i < 3; i++)
        {
            for (int j = 0; j < 3; j++)
                Assert.AreEqual(weights[i, j] - weights[0, j], calibrator.Weights[i][j] - calibrator.Weights[0][j], 0.06, $"{i}, {j}");
            Assert.AreEqual(-.4 * i, calibrator.Bias[i] - calibrator.Bias[0], 0.1);
        }
    }

    [TestMethod]
    public void ApplyByHand()
    {
        // Logits ln .2 + ln .8 and −ln .2 + ln 2: .16 to 10.
        float[] row = [.2f, .8f];
        new DirichletCalibrator([1, 1, -1, 0], [0, Math.Log(2)]).Calibrate(row, row);
        Assert.AreEqual(.16f / 10.16f, row[0], 1e-7f);
        Assert.AreEqual(10 / 10.16f, row[1], 1e-7f);
    }

    [TestMethod]
    public void StrongRegularisationLeavesTheDiagonal()
    {
        DirichletCalibrator held = Fit(ScoredRows.Confused(300), 1e9, 1e9);
        for (int i = 0; i < 3; i++)
        {
            Assert.AreEqual(0, held.Bias[i], 1e-5);
            for (int j = 0; j < 3; j++)
                Assert.IsTrue(i == j ? held.Weights[i][j] is > 0.3 and < 1.2 : Math.Abs(held.Weights[i][j]) < 1e-5);
        }

        Assert.IsGreaterThan(1e-3, Math.Abs(Fit(ScoredRows.Confused(300), 1e9, 0).Bias[0]));
        Assert.IsGreaterThan(1e-3, Math.Abs(Fit(ScoredRows.Confused(300), 0, 1e9).Weights[0][1]));
    }

    [TestMethod]
    public void TheDefaultStrengthIsTheNumberOfClasses() => CollectionAssert.AreEqual(
        Parameters(Fit(ScoredRows.Confused(100), 3)), Parameters(CalibratorFits.Fit("Dirichlet", ScoredRows.Confused(100))));

    [TestMethod]
    public void TooManyClassesAreRefusedWithWhatToUse()
    {
        float[] row = new float[129];
        row[0] = 1;
        string message = Assert.ThrowsExactly<InvalidOperationException>(() =>
            CalibratorFits.Fit("Dirichlet", ScoredRows.Of(129, (0, row)))).Message;
        StringAssert.Contains(message, "129 classes would have 16641 weights");
        StringAssert.Contains(message, "Calibrators.Vector");
    }

    [TestMethod]
    public void StrengthsAreChecked()
    {
        MulticlassCalibratorsCatalog catalog = Context.MulticlassClassification.Calibrators;
        Assert.AreEqual("offDiagonalRegularization", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => catalog.Dirichlet(offDiagonalRegularization: -1)).ParamName);
        Assert.AreEqual("biasRegularization", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => catalog.Dirichlet(biasRegularization: double.NaN)).ParamName);
    }

    private static DirichletCalibrator Fit(ScoredRows rows, double offDiagonalRegularization, double biasRegularization = 1) =>
        Fit<DirichletCalibrator>(Context.MulticlassClassification.Calibrators.Dirichlet(
            offDiagonalRegularization: offDiagonalRegularization, biasRegularization: biasRegularization), rows);
}
