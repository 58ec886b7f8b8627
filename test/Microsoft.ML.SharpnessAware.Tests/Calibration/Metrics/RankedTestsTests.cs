namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class RankedTestsTests
{
    /// <summary>Three rows: (.9, yes), (.8, no), (.3, yes).</summary>
    [TestMethod]
    public void SpiegelhalterByHand()
    {
        double sum = .1 * -.8 + -.8 * -.6 + .7 * .4;
        double variance = .64 * .09 + .36 * .16 + .16 * .21;
        CalibrationTest test = RankedTests.Spiegelhalter([(.3, true), (.8, false), (.9, true)]);
        Assert.AreEqual(sum / Math.Sqrt(variance), test.Statistic, 1e-12);
        Assert.AreEqual(1.7628, test.Statistic, 1e-4);
        // At least as far from 0 are the outcomes with two surprises or three: .3·.2·.9 + .3·.8·.1 + .7·.2·.1 + .3·.2·.1.
        Assert.AreEqual(0.098, test.PValue, 0.012);
    }

    /// <summary>Σ (p − y) is −.4 after both rows of .3, and .4 after all. (Between the two it would be .3, or −.7.)</summary>
    [TestMethod]
    public void KolmogorovSmirnovByHandWithATie()
    {
        CalibrationTest test = RankedTests.KolmogorovSmirnov([(.3, false), (.3, true), (.8, false)]);
        Assert.AreEqual(Math.Max(Math.Abs(.6 - 1), Math.Abs(1.4 - 1)) / 3, test.Statistic, 1e-12);
    }

    /// <summary>A calibrated model has p values that are uniform; one that is too sure is found out.</summary>
    [TestMethod]
    public void PValuesOfACalibratedModelAreUniform()
    {
        const int Samples = 1000;
        double[] spiegelhalter = new double[Samples], kolmogorov = new double[Samples];
        for (int sample = 0; sample < Samples; sample++)
        {
            (double, bool)[] rows = Draw(sample, 1000, p => p);
            (spiegelhalter[sample], kolmogorov[sample]) =
                (RankedTests.Spiegelhalter(rows).PValue, RankedTests.KolmogorovSmirnov(rows).PValue);
        }

        foreach (double level in new[] { 0.05, 0.25, 0.5, 0.75 })
        {
            double tolerance = 4 * Math.Sqrt(level * (1 - level) / Samples);
            Assert.AreEqual(level, spiegelhalter.Count(p => p < level) / (double)Samples, tolerance);
            // The discrete sums are a little smaller than the continuous motion's.
            Assert.AreEqual(level, kolmogorov.Count(p => p < level) / (double)Samples, tolerance + 0.03);
        }

        (double, bool)[] tooSure = Draw(1, 2000, p => 0.5 + 0.6 * (p - 0.5));
        Assert.IsGreaterThan(4, RankedTests.Spiegelhalter(tooSure).Statistic);
        Assert.IsLessThan(1e-4, RankedTests.Spiegelhalter(tooSure).PValue);
        Assert.IsLessThan(1e-3, RankedTests.KolmogorovSmirnov(tooSure).PValue);
    }

    /// <summary>Values of 4 Σ (−1)ᵏ Φ(−(2k + 1)x), which falls to 0 and stays there.</summary>
    [TestMethod]
    [DataRow(0.5, 0.9908430)]
    [DataRow(1.0, 0.6292226)]
    [DataRow(1.414213562373095, 0.3145542)]
    [DataRow(2.0, 0.0910005)]
    [DataRow(3.0, 0.0053996)]
    [DataRow(20.0, 0.0)]
    [DataRow(1000.0, 0.0)]
    public void TheChanceOfALargerSumIsThatOfABrownianMotion(double x, double pValue) =>
        Assert.AreEqual(pValue, RankedTests.ProbabilityOfALarger(x), 1e-7);

    /// <summary>Against the definition, summed over all pairs of rows and places.</summary>
    [TestMethod]
    [DataRow(1, 40, 0.0)]
    [DataRow(2, 300, 0.15)]
    [DataRow(3, 2000, 0.05)]
    public void SmoothErrorIsThatOfItsDefinition(int seed, int count, double gap)
    {
        (double Probability, bool Happened)[] rows = Draw(seed, count, p => Math.Max(0, p - gap));
        double error = RankedTests.SmoothCalibrationError(rows);
        Assert.AreEqual(Definition(error), error, 0.01 * error + 1e-4);

        double Definition(double sigma)
        {
            const int Places = 500;
            double sum = 0;
            for (int place = 0; place < Places; place++)
            {
                double t = (place + 0.5) / Places, here = 0;
                foreach ((double p, bool happened) in rows)
                {
                    double kernel = 0;
                    for (int k = -2; k <= 2; k++)
                        kernel += Normal(t - p + 2 * k) + Normal(t + p + 2 * k);
                    here += ((happened ? 1 : 0) - p) * kernel;
                }

                sum += Math.Abs(here) / rows.Length / Places;
            }

            return sum;

            double Normal(double x) => Math.Exp(-x * x / (2 * sigma * sigma)) / (sigma * Math.Sqrt(2 * Math.PI));
        }
    }

    /// <summary>The same gap everywhere is the smooth error, whatever the kernel.</summary>
    [TestMethod]
    public void AGapThatIsTheSameEverywhereIsTheSmoothError()
    {
        (double, bool)[] rows = [.. Enumerable.Range(0, 1000).Select(i => (0.7, i % 2 == 0))];
        Assert.AreEqual(0.2, RankedTests.SmoothCalibrationError(rows), 1e-4);
        Assert.AreEqual(0.2, RankedTests.KolmogorovSmirnov(rows).Statistic, 1e-9);
    }

    [TestMethod]
    public void NothingIsLeftToChanceWhereProbabilitiesAreZeroAndOne()
    {
        Assert.AreEqual(double.NaN, RankedTests.Spiegelhalter([(0, false), (1, true)]).PValue);
        Assert.AreEqual(new CalibrationTest(double.PositiveInfinity, 0), RankedTests.Spiegelhalter([(0, true), (1, true)]));
        Assert.AreEqual(0.0, RankedTests.KolmogorovSmirnov([(0, true)]).PValue);
        Assert.AreEqual(0.0, RankedTests.SmoothCalibrationError([(0, false), (1, true)]), 1e-3);
    }

    private static (double Probability, bool Happened)[] Draw(int seed, int rows, Func<double, double> truth)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, rows).Select(_ => random.NextDouble()).Order().Select(p => (p, random.NextDouble() < truth(p)))];
    }
}
