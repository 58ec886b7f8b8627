using MathNet.Numerics;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class CalibratedOutcomesTests
{
    private static readonly double Tolerance = 4 * Math.Sqrt(0.25 / 9_999);

    /// <summary>A calibrated model is rejected no more often than the level says, also where errors are rare: by its limit Spiegelhalter's
    /// test rejects 9.1 % of samples of 100 rows of .999 at a level of 1 %, since each with one error is.</summary>
    [TestMethod]
    [DataRow(0.999, 100)]
    [DataRow(0.999, 150)]
    [DataRow(0.99, 50)]
    [DataRow(0.001, 100)]
    [DataRow(0.9, 3)]
    public void RareErrorsAreNoSignOfBadCalibration(double confidence, int rows)
    {
        // What a sample shows is how many happened: each number with its binomial probability.
        double[] levels = [0.01, 0.05, 0.2], spiegelhalter = new double[3], kolmogorov = new double[3];
        for (int surprises = 0; surprises <= Math.Min(rows, 8); surprises++)
        {
            (double, bool)[] sample = [.. Enumerable.Range(0, rows).Select(row => (confidence, row < surprises != confidence > 0.5))];
            double q = Math.Min(confidence, 1 - confidence);
            double probability = SpecialFunctions.Binomial(rows, surprises) * Math.Pow(q, surprises) * Math.Pow(1 - q, rows - surprises);
            for (int level = 0; level < levels.Length; level++)
            {
                spiegelhalter[level] += RankedTests.Spiegelhalter(sample).PValue <= levels[level] ? probability : 0;
                kolmogorov[level] += RankedTests.KolmogorovSmirnov(sample).PValue <= levels[level] ? probability : 0;
            }
        }

        for (int level = 0; level < levels.Length; level++)
        {
            // The P value is itself drawn.
            Assert.IsLessThanOrEqualTo(1.1 * levels[level] + 0.002, spiegelhalter[level]);
            Assert.IsLessThanOrEqualTo(1.1 * levels[level] + 0.002, kolmogorov[level]);
        }
    }

    /// <summary>1 − .999¹⁰⁰ of the samples have an error.</summary>
    [TestMethod]
    public void OneErrorInAHundredSureRowsIsNothingUnusual()
    {
        (double, bool)[] rows = [.. Enumerable.Range(0, 100).Select(row => (0.999, row > 0))];
        Assert.AreEqual(0.0952, RankedTests.Spiegelhalter(rows).PValue, Tolerance);
        Assert.AreEqual(0.0952, RankedTests.KolmogorovSmirnov(rows).PValue, Tolerance);
        Assert.AreEqual(2.8475, RankedTests.Spiegelhalter(rows).Statistic, 1e-4);
    }

    /// <summary>Against all outcomes of ten rows on both sides of ½, three of which are equal, with their probabilities.</summary>
    [TestMethod]
    [DataRow(0b0000000000)]
    [DataRow(0b1111111111)]
    [DataRow(0b1111100000)]
    [DataRow(0b1110110100)]
    [DataRow(0b0110010001)]
    [DataRow(0b0000001111)]
    public void DrawsAreOfAllOutcomesWithTheirProbabilities(int happened)
    {
        double[] p = [0.02, 0.1, 0.3, 0.3, 0.3, 0.5, 0.55, 0.8, 0.9, 0.97];
        (double Sum, double Maximum) observed = Of(happened);
        double sum = 0, maximum = 0;
        for (int outcome = 0; outcome < 1 << p.Length; outcome++)
        {
            double probability = 1;
            for (int row = 0; row < p.Length; row++)
                probability *= Happened(outcome, row) ? p[row] : 1 - p[row];
            (double s, double m) = Of(outcome);
            sum += s >= observed.Sum - 1e-9 ? probability : 0;
            maximum += m >= observed.Maximum - 1e-9 ? probability : 0;
        }

        (double, bool)[] rows = [.. p.Select((value, row) => (value, Happened(happened, row)))];
        Assert.AreEqual(sum, RankedTests.Spiegelhalter(rows).PValue, Tolerance);
        Assert.AreEqual(maximum, RankedTests.KolmogorovSmirnov(rows).PValue, Tolerance);

        bool Happened(int outcome, int row) => (outcome >> (p.Length - 1 - row) & 1) == 1;

        (double Sum, double Maximum) Of(int outcome)
        {
            double slopes = 0, gaps = 0, largest = 0;
            for (int row = 0; row < p.Length; row++)
            {
                double gap = p[row] - (Happened(outcome, row) ? 1 : 0);
                slopes -= gap * (1 - 2 * p[row]);
                gaps += gap;
                if (row + 1 == p.Length || p[row + 1] != p[row])
                    largest = Math.Max(largest, Math.Abs(gaps));
            }

            return (Math.Abs(slopes), largest);
        }
    }

    /// <summary>With one confidence there is one sum, which is normal, and not the largest of a motion on its way: that is nearly twice as
    /// often as large.</summary>
    [TestMethod]
    [DataRow(2_000, 0.9, 1_824)]
    [DataRow(1_000_000, 0.9, 900_589)]
    public void ManyRowsOfOneConfidenceAreOneSum(int rows, double confidence, int right)
    {
        double z = (right - rows * confidence) / Math.Sqrt(rows * confidence * (1 - confidence));
        double pValue = RankedTests.KolmogorovSmirnov(Enumerable.Range(0, rows).Select(row => (confidence, row < right))).PValue;
        Assert.AreEqual(SpecialFunctions.Erfc(z / Math.Sqrt(2)), pValue, 0.01);
    }

    /// <summary>Both ways meet where the one takes over from the other.</summary>
    [TestMethod]
    public void DrawsAndLimitsAgreeOnAThousandRows()
    {
        Random random = new(5);
        for (int sample = 0; sample < 5; sample++)
        {
            (double, bool)[] rows = [.. Enumerable.Range(0, 2_000).Select(_ => 0.92 + 0.08 * random.NextDouble()).Order()
                .Select(p => (p, random.NextDouble() < p))];
            CalibratedOutcomes calibrated = new(rows);
            Assert.IsTrue(calibrated.AreFew);
            double z = RankedTests.Spiegelhalter(rows).Statistic;
            Assert.AreEqual(SpecialFunctions.Erfc(Math.Abs(z) / Math.Sqrt(2)), RankedTests.Spiegelhalter(rows).PValue, 0.03);
            double gaps = rows.Sum(row => row.Item1 * (1 - row.Item1));
            double x = RankedTests.KolmogorovSmirnov(rows).Statistic * rows.Length / Math.Sqrt(gaps);
            Assert.AreEqual(RankedTests.ProbabilityOfALarger(x), RankedTests.KolmogorovSmirnov(rows).PValue, 0.06);
        }
    }

    [TestMethod]
    public void PValuesAreNeverZeroAndTheSameEachTime()
    {
        (double, bool)[] wrong = [.. Enumerable.Repeat((0.999, false), 1_000)];
        Assert.AreEqual(1e-4, RankedTests.Spiegelhalter(wrong).PValue, 1e-12);
        Assert.AreEqual(1e-4, RankedTests.KolmogorovSmirnov(wrong).PValue, 1e-12);
        (double, bool)[] rows = [(0.2, true), (0.4, false), (0.7, true), (0.8, false)];
        Assert.AreEqual(RankedTests.KolmogorovSmirnov(rows), RankedTests.KolmogorovSmirnov(rows));
    }
}
