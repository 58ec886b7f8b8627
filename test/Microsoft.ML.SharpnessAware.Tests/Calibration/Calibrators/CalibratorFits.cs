namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>Shorthand for fitting each kind of calibrator.</summary>
internal static class CalibratorFits
{
    public static readonly MLContext Context = new(1);

    public static readonly string[] Kinds = ["Temperature", "Vector", "Isotonic", "Dirichlet", "StructuredMatrix"];

    public static MulticlassCalibratorEstimator Estimator(
        string kind, MLContext? mlContext = null, ScoreKind scoreKind = ScoreKind.Probabilities)
    {
        MulticlassCalibratorsCatalog catalog = (mlContext ?? Context).MulticlassClassification.Calibrators;
        return kind switch
        {
            "Temperature" => catalog.Temperature(scoreKind: scoreKind),
            "Vector" => catalog.Vector(scoreKind: scoreKind),
            "Isotonic" => catalog.Isotonic(scoreKind: scoreKind),
            "StructuredMatrix" => catalog.StructuredMatrix(scoreKind: scoreKind),
            "Dirichlet" => catalog.Dirichlet(scoreKind: scoreKind),
            _ => throw new ArgumentOutOfRangeException(nameof(kind)),
        };
    }

    public static MulticlassCalibrator Fit(string kind, ScoredRows rows) => Estimator(kind).Fit(rows.View(Context)).Calibrator;

    public static T Fit<T>(MulticlassCalibratorEstimator estimator, ScoredRows rows)
        where T : MulticlassCalibrator => (T)estimator.Fit(rows.View(Context)).Calibrator;

    /// <summary>All the numbers that were learnt.</summary>
    public static double[] Parameters(MulticlassCalibrator calibrator) => calibrator switch
    {
        TemperatureCalibrator temperature => [temperature.Temperature],
        VectorCalibrator vector => [.. vector.Scale, .. vector.Bias],
        DirichletCalibrator dirichlet => [.. dirichlet.Weights.SelectMany(row => row), .. dirichlet.Bias],
        OneVersusRestIsotonicCalibrator isotonic =>
        [
            isotonic.Temperature, isotonic.ModelWeight,
            .. isotonic.PerClass.SelectMany(f => (IEnumerable<float>)[.. f.Mins, .. f.Maxes, .. f.Values]).Select(value => (double)value),
        ],
        _ => throw new NotSupportedException(),
    };

    public static void AssertClose(IEnumerable<double> expected, IEnumerable<double> actual, double tolerance)
    {
        Assert.AreEqual(expected.Count(), actual.Count());
        foreach ((double e, double a) in expected.Zip(actual))
            Assert.AreEqual(e, a, tolerance * Math.Max(1, Math.Abs(e)));
    }

    /// <summary>The gradient that the function gives, against central differences of its values.</summary>
    public static void AssertGradient(LbfgsMinimizer.Objective objective, double[] point)
    {
        const double Step = 1e-6;
        double[] gradient = new double[point.Length], unused = new double[point.Length];
        objective(point, gradient);
        for (int i = 0; i < point.Length; i++)
        {
            double[] above = [.. point], below = [.. point];
            above[i] += Step;
            below[i] -= Step;
            double expected = (objective(above, unused) - objective(below, unused)) / (2 * Step);
            Assert.AreEqual(expected, gradient[i], 1e-6 * Math.Max(1, Math.Abs(expected)), $"parameter {i}");
        }
    }
}
