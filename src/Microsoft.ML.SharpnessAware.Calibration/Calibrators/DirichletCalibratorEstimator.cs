using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Fits a matrix and a bias (Dirichlet calibration, <see href="https://arxiv.org/abs/1910.12656">Kull et al. 2019</see>):
/// p' = softmax(W ln p + b), with off-diagonal and intercept regularisation (ODIR). For models that confuse certain classes with each
/// other. It has the most parameters, so it needs the most rows: some hundred for each class.
/// </summary>
/// <remarks>
/// <inheritdoc cref="MulticlassCalibratorEstimator" path="/remarks/node()"/>
/// <para>It begins with the temperature T, W = I/T and b = 0, and minimises the log loss summed over the rows plus
/// λ/2 · Σ_{i≠j} (T w_ij)² + μ/2 · Σ b_i² + 5 Σ (T w_ii − 1)², a convex function, by L-BFGS. Thus λ means the same however overconfident
/// the model is, and all three terms fade as rows are added. (The paper's λ' and μ' weigh mean squares against the mean log loss, with T =
/// 1 and without the last term: λ = 2 N λ' / (K (K − 1)), μ = 2 N μ' / K for N rows of K classes.) The targets are smoothed, as if the
/// temperature-scaled model counted as one row more, which keeps the minimum finite whatever the rows, also where the model is always right
/// or a class never occurs. The log loss on the rows never rises above that of the temperature.</para>
/// <para>At most <see cref="MaximumNumberOfClasses"/> classes, since W has the square of that many numbers, more than rows to learn them
/// from can be had, and each step of the fit takes time in proportion. For more use vector or temperature scaling.</para>
/// </remarks>
public sealed class DirichletCalibratorEstimator : MulticlassCalibratorEstimator
{
    /// <summary>The most classes that can be calibrated: 128, or 16,384 weights.</summary>
    public const int MaximumNumberOfClasses = 128;

    private readonly double? _offDiagonalRegularization;
    private readonly double _biasRegularization;

    internal DirichletCalibratorEstimator(IHostEnvironment environment, string labelColumnName, string scoreColumnName,
        string predictedLabelColumnName, double? offDiagonalRegularization, double biasRegularization)
        : base(environment, labelColumnName, scoreColumnName, predictedLabelColumnName)
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
