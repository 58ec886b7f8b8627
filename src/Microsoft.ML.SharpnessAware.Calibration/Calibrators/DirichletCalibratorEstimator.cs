using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Fits a matrix and a bias; see <see cref="MulticlassCalibratorsCatalog.Dirichlet"/>.</summary>
internal sealed class DirichletCalibratorEstimator : MulticlassCalibratorEstimator
{
    // 16,384 weights.
    private const int MaximumNumberOfClasses = 128;

    private readonly double? _offDiagonalRegularization;
    private readonly double _biasRegularization;

    public DirichletCalibratorEstimator(IHostEnvironment environment, string labelColumnName, CalibratorColumns columns,
        double? offDiagonalRegularization, double biasRegularization)
        : base(environment, labelColumnName, columns)
    {
        if (offDiagonalRegularization is double given)
            Require.NonNegative(given, nameof(offDiagonalRegularization));
        _offDiagonalRegularization = offDiagonalRegularization;
        _biasRegularization = Require.NonNegative(biasRegularization, nameof(biasRegularization));
    }

    private protected override void CheckNumberOfClasses(int numberOfClasses)
    {
        if (numberOfClasses > MaximumNumberOfClasses)
            throw new InvalidOperationException(
                $"Dirichlet calibration of {numberOfClasses} classes would have {(long)numberOfClasses * numberOfClasses} weights; it takes "
                + $"at most {MaximumNumberOfClasses} classes. Use Calibrators.Vector or Calibrators.Temperature.");
    }

    private protected override MulticlassCalibrator Fit(CalibrationRows rows, IHost host, IChannel channel)
    {
        int matrix = rows.NumberOfClasses * rows.NumberOfClasses;
        var loss = new SmoothedLogLoss(rows);
        double[] parameters = [.. DirichletCalibrator.Identity(rows.NumberOfClasses), .. new double[rows.NumberOfClasses]];
        double offDiagonal = _offDiagonalRegularization ?? rows.NumberOfClasses;
        var objective = new DirichletObjective(loss, VectorCalibratorEstimator.ScaleRidge, offDiagonal, _biasRegularization);
        Minimize(objective.Evaluate, parameters, host, channel);
        double[] weights = Array.ConvertAll(parameters[..matrix], relative => relative / loss.Temperature);
        return new DirichletCalibrator(weights, parameters[matrix..]);
    }
}
