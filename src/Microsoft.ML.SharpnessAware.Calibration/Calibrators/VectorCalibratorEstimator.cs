using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Fits a scale and a bias for each class (vector scaling, <see href="https://arxiv.org/abs/1706.04599">Guo et al. 2017</see>):
/// p' = softmax(a ∘ ln p + b). For models that are wrong about some classes in particular, for example because these are rarer or more
/// common now than in training. Needs some hundred rows, and some of each class.
/// </summary>
/// <remarks>
/// <inheritdoc cref="MulticlassCalibratorEstimator" path="/remarks/node()"/>
/// <para>It begins with the temperature T, a = 1/T and b = 0, and minimises the log loss summed over the rows plus ridge/2 · Σ b_k² plus
/// 5 Σ (T a_k − 1)², a convex function, by L-BFGS. The last term holds scales to within about a third of the common one, unless there are
/// rows enough to say otherwise: without it, fifty rows of ten classes gave probabilities far worse than the temperature alone did. The
/// targets are smoothed, as if the temperature-scaled model counted as one row more, which keeps the minimum finite whatever the rows, also
/// where the model is always right or a class never occurs. The log loss on the rows never rises above that of the temperature.</para>
/// </remarks>
public sealed class VectorCalibratorEstimator : MulticlassCalibratorEstimator
{
    /// <summary>As a normal prior of standard deviation 0.32 on a scale relative to the common one; see the remarks.</summary>
    internal const double ScaleRidge = 10;

    private readonly double _ridge;

    internal VectorCalibratorEstimator(
        IHostEnvironment environment, string labelColumnName, string scoreColumnName, string predictedLabelColumnName, double ridge)
        : base(environment, labelColumnName, scoreColumnName, predictedLabelColumnName) =>
        _ridge = Require.NonNegative(ridge, nameof(ridge));

    private protected override MulticlassCalibrator Fit(CalibrationRows rows, IHost host, IChannel channel)
    {
        int classes = rows.NumberOfClasses;
        var loss = new SmoothedLogLoss(rows);
        double[] parameters = new double[2 * classes];
        parameters.AsSpan(0, classes).Fill(1);
        Minimize(new VectorObjective(loss, ScaleRidge, _ridge).Evaluate, parameters, host, channel);
        double[] scale = Array.ConvertAll(parameters[..classes], relative => relative / loss.Temperature);
        return new VectorCalibrator(scale, parameters[classes..]);
    }
}
