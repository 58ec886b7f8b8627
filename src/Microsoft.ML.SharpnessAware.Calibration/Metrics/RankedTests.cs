using MathNet.Numerics;

namespace Microsoft.ML.SharpnessAware;

/// <summary>What needs no bins: tests of calibration and the smooth calibration error, from (probability, whether it happened), sorted by
/// the probability.</summary>
internal static class RankedTests
{
    // Cells of the kernel's width divided by this, at least; fine enough for four digits.
    private const int CellsInWidth = 50;
    private const int SmoothingCells = 4000;

    /// <summary>z = Σ (y − p)(1 − 2p) / √Σ (1 − 2p)² p (1 − p), for a calibrated model normal in the limit (Spiegelhalter 1986,
    /// "Probabilistic prediction in patient management and clinical trials").</summary>
    public static CalibrationTest Spiegelhalter(IEnumerable<(double Probability, bool Happened)> sortedRows)
    {
        CompensatedSum sum = default, variance = default;
        foreach ((double p, bool happened) in sortedRows)
        {
            double slope = 1 - 2 * p;
            sum.Add(((happened ? 1 : 0) - p) * slope);
            variance.Add(slope * slope * p * (1 - p));
        }

        // With probabilities of 0, ½ and 1 alone there is nothing that could vary.
        if (variance.Value <= 0)
            return new CalibrationTest(sum.Value == 0 ? 0 : Math.CopySign(double.PositiveInfinity, sum.Value), sum.Value == 0 ? double.NaN
                : 0);
        double z = sum.Value / Math.Sqrt(variance.Value);
        CalibratedOutcomes calibrated = new(sortedRows);
        return new CalibrationTest(z, calibrated.AreFew ? calibrated.ProbabilityOfSum(Math.Abs(sum.Value))
            : SpecialFunctions.Erfc(Math.Abs(z) / Math.Sqrt(2)));
    }

    /// <summary>
    /// max over k of |Σ (p − y)| / N over the rows up to the k-th by their probability. For a calibrated model the sums over √Σ p(1 − p)
    /// tend to a Brownian motion (Gupta et al. 2021, "Calibration of neural networks using splines"; Tygert 2022, "Calibration of P-values
    /// for calibration and for deviation of a subpopulation from the full population").
    /// </summary>
    public static CalibrationTest KolmogorovSmirnov(IEnumerable<(double Probability, bool Happened)> sortedRows)
    {
        CompensatedSum sum = default, variance = default;
        double largest = 0, last = double.NaN;
        long count = 0;
        foreach ((double p, bool happened) in sortedRows)
        {
            // Rows of equal probability have no order.
            if (p != last)
                largest = Math.Max(largest, Math.Abs(sum.Value));
            sum.Add(p - (happened ? 1 : 0));
            variance.Add(p * (1 - p));
            last = p;
            count++;
        }

        largest = Math.Max(largest, Math.Abs(sum.Value));
        return new CalibrationTest(largest / count, PValue());

        double PValue()
        {
            if (variance.Value <= 0)
                return largest > 0 ? 0 : double.NaN;
            CalibratedOutcomes calibrated = new(sortedRows);
            return calibrated.AreFewOrTied ? calibrated.ProbabilityOfMaximum(largest)
                : ProbabilityOfALarger(largest / Math.Sqrt(variance.Value));
        }
    }

    /// <summary>
    /// Smooth ECE: smECE_σ = ∫ |Σ (y − p) K_σ(t, p)|/N dt with a Gaussian kernel reflected in [0, 1], at the σ that equals its own smECE
    /// (Błasiok and Nakkiran 2024, "Smooth ECE: principled reliability diagrams via kernel smoothing"). Probabilities are rounded to
    /// 1/4000.
    /// </summary>
    public static double SmoothCalibrationError(IEnumerable<(double Probability, bool Happened)> rows)
    {
        double[] gaps = new double[SmoothingCells];
        long count = 0;
        foreach ((double p, bool happened) in rows)
        {
            gaps[Math.Clamp((int)(p * SmoothingCells), 0, SmoothingCells - 1)] += (happened ? 1 : 0) - p;
            count++;
        }

        // smECE_σ falls with σ, so that there is one σ at which they are equal.
        double low = 1.0 / SmoothingCells, high = 1;
        while (high - low > 1e-6)
        {
            double middle = (low + high) / 2;
            if (Smoothed(gaps, middle) / count < middle)
                high = middle;
            else
                low = middle;
        }

        return Smoothed(gaps, high) / count;
    }

    /// <summary>∫ |Σ gaps · K_σ| dt.</summary>
    private static double Smoothed(double[] fineGaps, double sigma)
    {
        int join = Math.Max(1, (int)(sigma * fineGaps.Length / CellsInWidth));
        double[] gaps = [.. fineGaps.Chunk(join).Select(cells => cells.Sum())];
        int reach = Math.Min((int)Math.Ceiling(6 * sigma * gaps.Length), 8 * gaps.Length);
        double[] kernel = new double[2 * reach + 1];
        for (int i = -reach; i <= reach; i++)
        {
            double z = i / (sigma * gaps.Length);
            kernel[i + reach] = Math.Exp(-z * z / 2);
        }

        double total = kernel.Sum();
        double[] smooth = new double[gaps.Length];
        for (int from = 0; from < gaps.Length; from++)
        {
            if (gaps[from] == 0)
                continue;
            double weight = gaps[from] / total;
            for (int i = -reach; i <= reach; i++)
                smooth[Reflected(from + i, gaps.Length)] += weight * kernel[i + reach];
        }

        return smooth.Sum(Math.Abs);
    }

    private static int Reflected(int place, int length)
    {
        if ((uint)place < (uint)length)
            return place;
        int period = 2 * length;
        place = ((place % period) + period) % period;
        return place < length ? place : period - 1 - place;
    }

    /// <summary>P(max |W(t)| > x) of a Brownian motion on [0, 1]: one of two alternating series, each where it falls fast (Feller 1971, "An
    /// introduction to probability theory and its applications", volume II, X.5).</summary>
    internal static double ProbabilityOfALarger(double x)
    {
        double sum = 0;
        for (int k = 0; k < 10; k++)
        {
            int odd = 2 * k + 1;
            sum += (k % 2 == 0 ? 1 : -1)
                * (x > 1 ? SpecialFunctions.Erfc(odd * x / Math.Sqrt(2)) : Math.Exp(-odd * odd * Math.PI * Math.PI / (8 * x * x)) / odd);
        }

        return Math.Clamp(x > 1 ? 2 * sum : 1 - 4 / Math.PI * sum, 0, 1);
    }
}
