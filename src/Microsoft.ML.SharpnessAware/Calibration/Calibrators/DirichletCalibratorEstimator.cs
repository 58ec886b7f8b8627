using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Fits a matrix and a bias (Dirichlet calibration, <see href="https://arxiv.org/abs/1910.12656">Kull et al. 2019</see>):
/// p' = softmax(W ln p + b), with off-diagonal and intercept regularisation (ODIR). For models that confuse certain classes with each
/// other. It has the most parameters, so it needs the most rows: some hundred for each class.
/// </summary>
/// <remarks>
/// <inheritdoc cref="MulticlassCalibratorEstimator" path="/remarks/node()"/>
/// <para>Minimises the total log loss plus λ/2 · Σ_{i≠j} w_ij² + μ/2 · Σ b_i², a convex function, by L-BFGS from W = I, b = 0. (With the
/// paper's λ and μ, which weigh means, λ = 2 N λ' / (K (K − 1)) and μ = 2 N μ' / K for N rows and K classes.) The targets are smoothed, as
/// if the uncalibrated model counted as one row more, which keeps the minimum finite whatever the rows, also where the model is always right
/// or a class never occurs. Probabilities below 1e-15 count as 1e-15.</para>
/// <para>At most <see cref="MaximumNumberOfClasses"/> classes, since W has the square of that many numbers, more than rows to learn them from
/// can be had, and each step of the fit takes time in proportion. For more use vector or temperature scaling.</para>
/// </remarks>
public sealed class DirichletCalibratorEstimator : MulticlassCalibratorEstimator
{
    /// <summary>The most classes that can be calibrated: 256, or 65,536 weights.</summary>
    public const int MaximumNumberOfClasses = 256;

    private readonly double _offDiagonalRegularization;
    private readonly double _biasRegularization;

    internal DirichletCalibratorEstimator(IHostEnvironment environment, string labelColumnName, string scoreColumnName,
        string predictedLabelColumnName, double offDiagonalRegularization, double biasRegularization)
        : base(environment, labelColumnName, scoreColumnName, predictedLabelColumnName)
    {
        _offDiagonalRegularization = Require.NonNegative(offDiagonalRegularization, nameof(offDiagonalRegularization));
        _biasRegularization = Require.NonNegative(biasRegularization, nameof(biasRegularization));
    }

    private protected override void CheckNumberOfClasses(int numberOfClasses)
    {
        if (numberOfClasses > MaximumNumberOfClasses)
            throw new InvalidOperationException(
                $"Dirichlet calibration of {numberOfClasses} classes would have {(long)numberOfClasses * numberOfClasses} weights; it takes at "
                + $"most {MaximumNumberOfClasses} classes. Use Calibrators.Vector or Calibrators.Temperature.");
    }

    private protected override MulticlassCalibrator Fit(CalibrationRows rows, IHost host, IChannel channel)
    {
        int weights = rows.NumberOfClasses * rows.NumberOfClasses;
        double[] parameters = [.. DirichletCalibrator.Identity(rows.NumberOfClasses), .. new double[rows.NumberOfClasses]];
        var objective = new DirichletObjective(rows, _offDiagonalRegularization, _biasRegularization);
        Minimize(objective.Evaluate, parameters, host, channel);
        return new DirichletCalibrator(parameters[..weights], parameters[weights..]);
    }
}
