using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Fits a matrix and a bias on top of the temperature, each kind of number with a ridge of its own.</summary>
internal abstract class MatrixCalibratorEstimator(IHostEnvironment environment, string labelColumnName, CalibratorColumns columns,
    string name)
    : MulticlassCalibratorEstimator(environment, labelColumnName, columns)
{
    // 16,384 weights.
    private const int MaximumNumberOfClasses = 128;

    // Classes² × rows from which on a fit takes more than ten seconds.
    private const long ManyProducts = 1L << 28;

    private protected override void CheckNumberOfClasses(int numberOfClasses)
    {
        if (numberOfClasses > MaximumNumberOfClasses)
            throw new InvalidOperationException(
                $"{name} of {numberOfClasses} classes would have {(long)numberOfClasses * numberOfClasses} weights; it takes "
                + $"at most {MaximumNumberOfClasses} classes. Use Calibrators.Vector or Calibrators.Temperature.");
    }

    private protected MulticlassCalibrator Fit(
        CalibrationRows rows, double diagonalRidge, double offDiagonalRidge, double biasRidge, IHost host, IChannel channel)
    {
        int classes = rows.NumberOfClasses, matrix = classes * classes;
        if ((long)matrix * rows.Count > ManyProducts)
            channel.Warning($"{name} of {classes} classes on {rows.Count} rows takes ten seconds or more, in proportion to rows × " +
                "classes². Some ten thousand rows "
                + "are plenty (mlContext.Data.TakeRows); Calibrators.Vector takes far less.");
        return new ShrunkenFit(
            [.. DirichletCalibrator.Identity(classes), .. new double[classes]],
            (loss, parameters, checkAlive) => new ClassCurvature(loss, diagonalRidge, offDiagonalRidge, biasRidge).Minimize(
                new DirichletObjective(loss, diagonalRidge, offDiagonalRidge, biasRidge).Evaluate, parameters, checkAlive),
            (parameters, temperature) => new DirichletCalibrator(
                Array.ConvertAll(parameters[..matrix], relative => relative / temperature), parameters[matrix..])
                    { Floor = rows.Floor }).Fit(rows, host, channel);
    }
}
