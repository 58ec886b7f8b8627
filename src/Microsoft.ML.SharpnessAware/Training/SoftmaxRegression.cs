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
/// <para>Rows go through in blocks, so that the memory of many rows is that of their features, however many classes there are.</para>
/// </remarks>
internal sealed class SoftmaxRegression(
    Tensor features, long[] labels, int numberOfClasses, Action checkAlive, int blockSize = SoftmaxRegression.BlockSize)
{
    /// <summary>Numbers in a block's logits, of which two or three are in memory at a time: 32 MB each.</summary>
    public const int BlockSize = 1 << 22;

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
        Tensor withOne = WithOne(features), classOfRow = tensor(labels, device: CPU).unsqueeze(1);
        using Scalar count = ((double)labels.Length).ToScalar();
        Tensor ridges = tensor([.. Enumerable.Repeat(ridge, _columns - 1), ridge * BiasShare], device: CPU);
        Tensor from = Matrix(start ?? new double[numberOfClasses * _columns]);
        Tensor unit = Curvature().Plus(ridges).sqrt();
        double[] point = Numbers(from.mul(unit));
        LbfgsMinimizer.Minimize(Objective, point, checkAlive, precision);
        return Numbers(Matrix(point).div(unit));

        // p (1 − p) of a class times x² of a feature, the means of both.
        Tensor Curvature()
        {
            using DisposeScope curvature = NewDisposeScope();
            Tensor ofClasses = zeros(numberOfClasses, dtype: float64, device: CPU);
            Tensor ofFeatures = zeros(_columns, dtype: float64, device: CPU);
            foreach ((long start, long rows) in Blocks(labels.Length, numberOfClasses, blockSize))
            {
                using DisposeScope block = NewDisposeScope();
                Tensor x = withOne.narrow(0, start, rows);
                Tensor p = nn.functional.softmax(x.matmul(from.t()), dim: 1);
                ofClasses.add_(p.sum(0), FixedScalars.One).add_(p.mul_(p).sum(0).negative(), FixedScalars.One);
                ofFeatures.add_(x.mul(x).sum(0), FixedScalars.One);
            }

            return ofClasses.div_(count).unsqueeze(1).mul(ofFeatures.div_(count).unsqueeze(0)).MoveToOuterDisposeScope();
        }

        double Objective(ReadOnlySpan<double> at, Span<double> gradient)
        {
            using DisposeScope step = NewDisposeScope();
            Tensor weights = Matrix(at.ToArray()).div(unit), slope = zeros_like(weights);
            double loss = 0;
            foreach ((long start, long rows) in Blocks(labels.Length, numberOfClasses, blockSize))
            {
                using DisposeScope block = NewDisposeScope();
                Tensor x = withOne.narrow(0, start, rows), own = classOfRow.narrow(0, start, rows);
                Tensor logits = x.matmul(weights.t());
                loss += logits.logsumexp(1).sum().item<double>() - logits.gather(1, own).sum().item<double>();
                Tensor residuals = nn.functional.softmax(logits, dim: 1);
                residuals.scatter_add_(1, own, ones_like(own, dtype: float64).neg_());
                slope.add_(residuals.t().matmul(x), FixedScalars.One);
            }

            Tensor penalised = weights.mul(ridges);
            slope.div_(count).add_(penalised, FixedScalars.One).div_(unit).data<double>().CopyTo(gradient);
            return loss / labels.Length + (penalised.mul(weights).sum().item<double>() / 2);
        }
    }

    /// <summary>Mean cross entropy of rows of features.</summary>
    public static double Loss(
        Tensor features, long[] labels, double[] weights, int numberOfClasses, int blockSize = BlockSize)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor matrix = tensor(weights, [numberOfClasses, weights.Length / numberOfClasses], device: CPU);
        Tensor classOfRow = tensor(labels, device: CPU).unsqueeze(1);
        double loss = 0;
        foreach ((long start, long rows) in Blocks(labels.Length, numberOfClasses, blockSize))
        {
            using DisposeScope block = NewDisposeScope();
            Tensor logits = WithOne(features.narrow(0, start, rows)).matmul(matrix.t());
            loss += logits.logsumexp(1).sum().item<double>() - logits.gather(1, classOfRow.narrow(0, start, rows)).sum().item<double>();
        }

        return loss / labels.Length;
    }

    /// <summary>Logits [rows × classes], row-major, of other rows of features.</summary>
    public static float[] Logits(Tensor features, double[] weights, int numberOfClasses, int blockSize = BlockSize)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor matrix = tensor(weights, [numberOfClasses, weights.Length / numberOfClasses], device: CPU);
        float[] all = new float[LogitArray.Length(features.shape[0], numberOfClasses)];
        foreach ((long start, long rows) in Blocks(features.shape[0], numberOfClasses, blockSize))
        {
            using DisposeScope block = NewDisposeScope();
            WithOne(features.narrow(0, start, rows)).matmul(matrix.t()).to(float32).contiguous().data<float>()
                .CopyTo(all.AsSpan((int)start * numberOfClasses));
        }

        return all;
    }

    private static IEnumerable<(long Start, long Rows)> Blocks(long rows, int numberOfClasses, int blockSize)
    {
        long most = Math.Max(1, blockSize / numberOfClasses);
        for (long start = 0; start < rows; start += most)
            yield return (start, Math.Min(most, rows - start));
    }

    private Tensor Matrix(double[] numbers) => tensor(numbers, [numberOfClasses, _columns], device: CPU);

    private static double[] Numbers(Tensor matrix) => matrix.contiguous().data<double>().ToArray();

    private static Tensor WithOne(Tensor features) =>
        cat([features.to(float64), ones(features.shape[0], 1, dtype: float64, device: CPU)], 1);
}
