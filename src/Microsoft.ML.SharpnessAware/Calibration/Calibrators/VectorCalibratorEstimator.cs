using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Fits a scale and a bias for each class (vector scaling, <see href="https://arxiv.org/abs/1706.04599">Guo et al. 2017</see>):
/// p' = softmax(a ∘ ln p + b). For models that are wrong about some classes in particular, for example because these are rarer or more
/// common now than in training. Needs some hundred rows, and some of each class.
/// </summary>
/// <remarks>
/// <inheritdoc cref="MulticlassCalibratorEstimator" path="/remarks/node()"/>
/// <para>Minimises the total log loss plus ridge/2 · Σ b_k², a convex function, by L-BFGS from a = 1, b = 0. The targets are smoothed, as if
/// the uncalibrated model counted as one row more, which keeps the minimum finite whatever the rows, also where the model is always right or
/// a class never occurs. Probabilities below 1e-15 count as 1e-15.</para>
/// </remarks>
public sealed class VectorCalibratorEstimator : MulticlassCalibratorEstimator
{
    private readonly double _ridge;

    internal VectorCalibratorEstimator(
        IHostEnvironment environment, string labelColumnName, string scoreColumnName, string predictedLabelColumnName, double ridge)
        : base(environment, labelColumnName, scoreColumnName, predictedLabelColumnName) =>
        _ridge = Require.NonNegative(ridge, nameof(ridge));

    private protected override MulticlassCalibrator Fit(CalibrationRows rows, IHost host, IChannel channel)
    {
        int classes = rows.NumberOfClasses;
        double[] parameters = new double[2 * classes];
        parameters.AsSpan(0, classes).Fill(1);
        Minimize(new VectorObjective(rows, _ridge).Evaluate, parameters, host, channel);
        return new VectorCalibrator(parameters[..classes], parameters[classes..]);
    }
}
