using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Multinomial logistic regression with a ridge: the minimum of mean cross entropy + (λ/2) ‖W‖² over weights and biases. A convex problem,
/// solved to its one minimum by L-BFGS in double, without a learning rate, epochs or random numbers.
/// </summary>
/// <remarks>
/// <para>The biases bear a thousandth of the ridge, so that a class without rows has a finite one.</para>
/// <para>Each number is measured in units of its own, the root of the curvature that the loss has along it at the start (for features
/// that are not correlated, as <see cref="FittedHead"/> gives them): what differs by a factor of a thousand between the numbers otherwise,
/// and costs L-BFGS its iterations, is then about 1 everywhere.</para>
/// </remarks>
internal sealed class SoftmaxRegression(Tensor features, long[] labels, int numberOfClasses, Action checkAlive)
{
    private const double BiasShare = 1e-3;

    private readonly int _columns = (int)features.shape[1] + 1;

    /// <summary>Weights and biases at the minimum.</summary>
    /// <param name="ridge">λ, above 0.</param>
    /// <param name="start">Where to begin, for example at the minimum for a larger λ; null for zeros.</param>
    /// <param name="precision">About how far above the minimum it may end, where less is needed than can be had.</param>
    /// <returns>[classes × (features + 1)], row-major, a class's bias after its weights.</returns>
    public double[] Fit(double ridge, double[]? start = null, double precision = 0)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGradient = no_grad();
        Tensor withOne = WithOne(features);
        Tensor targets = zeros(labels.Length, numberOfClasses, dtype: float64, device: CPU);
        using (Tensor rows = tensor(labels, device: CPU).unsqueeze(1))
            targets.scatter_(1, rows, ones_like(rows, dtype: float64));
        Tensor ridges = tensor([.. Enumerable.Repeat(ridge, _columns - 1), ridge * BiasShare], device: CPU);
        Tensor from = Matrix(start ?? new double[numberOfClasses * _columns]);
        Tensor unit = Curvature().Plus(ridges).sqrt();
        double[] point = Numbers(from.mul(unit));
        LbfgsMinimizer.Minimize(Objective, point, checkAlive, precision);
        return Numbers(Matrix(point).div(unit));

        // p (1 − p) of a class times x² of a feature, the means of both.
        Tensor Curvature()
        {
            using DisposeScope curvature = NewDisposeScope();   // the squares take as much memory as the features
            Tensor p = nn.functional.softmax(withOne.matmul(from.t()), dim: 1);
            return p.mul(p.negative().Plus(ones_like(p))).mean([0]).unsqueeze(1).mul(withOne.mul(withOne).mean([0]).unsqueeze(0))
                .MoveToOuterDisposeScope();
        }

        double Objective(ReadOnlySpan<double> at, Span<double> gradient)
        {
            using DisposeScope step = NewDisposeScope();
            Tensor weights = Matrix(at.ToArray()).div(unit);
            Tensor logits = withOne.matmul(weights.t());
            Tensor penalised = weights.mul(ridges);
            double loss = logits.logsumexp(1).mean().item<double>() - logits.mul(targets).sum().item<double>() / labels.Length
                + (penalised.mul(weights).sum().item<double>() / 2);
            using Scalar rows = ((double)labels.Length).ToScalar();
            Tensor residuals = nn.functional.softmax(logits, dim: 1).Plus(targets.negative()).div(rows);
            residuals.t().matmul(withOne).Plus(penalised).div(unit).data<double>().CopyTo(gradient);
            return loss;
        }
    }

    /// <summary>Logits [rows × classes], row-major, of other rows of features.</summary>
    public static float[] Logits(Tensor features, double[] weights, int numberOfClasses)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor matrix = tensor(weights, [numberOfClasses, weights.Length / numberOfClasses], device: CPU);
        return WithOne(features).matmul(matrix.t()).to(float32).contiguous().data<float>().ToArray();
    }

    private Tensor Matrix(double[] numbers) => tensor(numbers, [numberOfClasses, _columns], device: CPU);

    private static double[] Numbers(Tensor matrix) => matrix.contiguous().data<double>().ToArray();

    private static Tensor WithOne(Tensor features) =>
        cat([features.to(float64), ones(features.shape[0], 1, dtype: float64, device: CPU)], 1);
}
