namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class LbfgsMinimizerTests
{
    [TestMethod]
    public void AStretchedParabolaIsMinimisedWhereItsGradientVanishes()
    {
        double[] point = [5, -3, 100];
        Assert.IsTrue(LbfgsMinimizer.Minimize((x, gradient) =>
        {
            (gradient[0], gradient[1], gradient[2]) = (2 * (x[0] - 1), 200 * (x[1] - 2), 0.02 * (x[2] - 3));
            return Math.Pow(x[0] - 1, 2) + 100 * Math.Pow(x[1] - 2, 2) + 0.01 * Math.Pow(x[2] - 3, 2);
        }, point, () => { }));
        CalibratorFits.AssertClose([1, 2, 3], point, 1e-4);
    }

    [TestMethod]
    public void AStepTooFarIsShortenedAlsoWhereTheFunctionOverflows()
    {
        // e^x − x has its minimum at 0 and is infinite at 1000.
        double[] point = [-800];
        Assert.IsTrue(LbfgsMinimizer.Minimize((x, gradient) =>
        {
            gradient[0] = Math.Exp(x[0]) - 1;
            return Math.Exp(x[0]) - x[0];
        }, point, () => { }));
        Assert.AreEqual(0, point[0], 1e-4);
    }

    [TestMethod]
    public void TheValueNeverRises()
    {
        double last = double.PositiveInfinity;
        double[] point = [-1.2, 1];
        LbfgsMinimizer.Minimize(Rosenbrock, point, () =>
        {
            double value = Rosenbrock(point, new double[2]);
            Assert.IsLessThanOrEqualTo(last + 1e-12, value);
            last = value;
        });
        CalibratorFits.AssertClose([1, 1], point, 1e-3);

        static double Rosenbrock(ReadOnlySpan<double> x, Span<double> gradient)
        {
            double a = 1 - x[0], b = x[1] - x[0] * x[0];
            (gradient[0], gradient[1]) = (-2 * a - 400 * x[0] * b, 200 * b);
            return a * a + 100 * b * b;
        }
    }

    [TestMethod]
    public void ItCanBeCancelledAndGivesUpAtLast()
    {
        Assert.ThrowsExactly<OperationCanceledException>(() => LbfgsMinimizer.Minimize(
            (_, _) => 0, [0], () => throw new OperationCanceledException()));

        int iterations = 0;
        Assert.IsFalse(LbfgsMinimizer.Minimize(Falling, [0], () => iterations++));
        Assert.AreEqual(LbfgsMinimizer.MaximumIterations, iterations);

        static double Falling(ReadOnlySpan<double> x, Span<double> gradient)
        {
            gradient[0] = -1;
            return -x[0];
        }
    }
}
