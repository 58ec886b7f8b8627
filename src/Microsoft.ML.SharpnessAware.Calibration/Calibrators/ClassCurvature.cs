using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The curvature that a matrix calibrator's loss has in the numbers of one class (its row of the matrix and its bias) where the fit
/// begins, for every class. Measured in its units these numbers are not correlated and alike, which takes a tenth of the iterations; the
/// minimum is the same.
/// </summary>
/// <remarks>
/// With x the logarithms of a row and a 1 for the bias, it is Σ p (1 − p) x xᵀ plus the ridges, all divided by the number of rows; L is its
/// Cholesky factor, and numbers v are start + L⁻ᵀ z. Two classes are taken as independent, which they almost are where there are many.
/// </remarks>
internal sealed class ClassCurvature
{
    // Enough to know a unit by; more take time.
    private const int MostRows = 1 << 11;

    // Of p (1 − p): what hardly counts. Most rows speak for a few of many classes.
    private const double Negligible = 1e-5;

    // Of its curvature: what a number must have beside those before it. Less is rounding, and may be below 0.
    private const double LeastShare = 1e-9;

    private readonly int _classes;
    private readonly double[][] _factors;      // of each class [classes + 1, classes + 1], row by row, below the diagonal and on it

    public ClassCurvature(SmoothedLogLoss loss, double diagonalRidge, double offDiagonalRidge, double biasRidge)
    {
        _classes = loss.NumberOfClasses;
        _factors = new double[_classes][];
        Parallel.For(0, _classes, k =>
        {
            double[] curvature = new double[Size * Size];
            AddRows(loss, k, curvature);
            for (int i = 0; i < Size; i++)
                curvature[i * (Size + 1)] += i == _classes ? biasRidge : i == k ? diagonalRidge : offDiagonalRidge;
            TensorPrimitives.Divide(curvature, loss.Count, curvature);
            Factorise(curvature);
            _factors[k] = curvature;
        });
    }

    private int Size => _classes + 1;

    /// <summary>Minimises from a start.</summary>
    /// <inheritdoc cref="LbfgsMinimizer.Minimize"/>
    public bool Minimize(LbfgsMinimizer.Objective objective, double[] point, Action checkAlive)
    {
        double[] start = [.. point], at = [.. point], gradient = new double[point.Length], scaled = new double[point.Length];
        bool hasConverged = LbfgsMinimizer.Minimize(InUnits, scaled, checkAlive);
        Move(scaled, point);
        return hasConverged;

        double InUnits(ReadOnlySpan<double> z, Span<double> gradientOfUnits)
        {
            Move(z, at);
            double value = objective(at, gradient);
            double[] own = new double[Size];
            for (int k = 0; k < _classes; k++)
            {
                Gather(gradient, k, own);
                for (int i = 0; i < Size; i++)      // L⁻¹ g
                    own[i] = (own[i] - TensorPrimitives.Dot<double>(Row(k, i)[..i], own.AsSpan(0, i))) / Row(k, i)[i];
                Scatter(own, k, gradientOfUnits);
            }

            return value;
        }

        void Move(ReadOnlySpan<double> z, Span<double> to)
        {
            double[] own = new double[Size];
            for (int k = 0; k < _classes; k++)
            {
                Gather(z, k, own);
                for (int i = Size - 1; i >= 0; i--)     // L⁻ᵀ z
                {
                    own[i] /= Row(k, i)[i];
                    TensorPrimitives.MultiplyAdd(Row(k, i)[..i], -own[i], own.AsSpan(0, i), own.AsSpan(0, i));
                }

                Scatter(own, k, to);
            }

            TensorPrimitives.Add(to, start, to);
        }
    }

    private void AddRows(SmoothedLogLoss loss, int k, Span<double> curvature)
    {
        double[] x = new double[Size], p = new double[_classes];
        x[_classes] = 1;
        int stride = (loss.Count + MostRows - 1) / MostRows;
        for (int row = 0; row < loss.Count; row += stride)
        {
            loss.ReadLogarithms(row, x.AsSpan(0, _classes));
            TensorPrimitives.SoftMax<double>(x.AsSpan(0, _classes), p);
            double weight = p[k] * (1 - p[k]);
            if (weight < Negligible)
                continue;
            weight *= stride;
            for (int i = 0; i < Size; i++)
            {
                Span<double> below = curvature.Slice(i * Size, i + 1);
                TensorPrimitives.MultiplyAdd(x.AsSpan(0, i + 1), weight * x[i], below, below);
            }
        }
    }

    /// <summary>Cholesky's decomposition, in place.</summary>
    private void Factorise(Span<double> matrix)
    {
        for (int i = 0; i < Size; i++)
        {
            Span<double> row = matrix.Slice(i * Size, i + 1);
            for (int j = 0; j < i; j++)
                row[j] = (row[j] - TensorPrimitives.Dot<double>(row[..j], matrix.Slice(j * Size, j))) / matrix[j * (Size + 1)];
            double left = Math.Max(row[i] - TensorPrimitives.SumOfSquares<double>(row[..i]), LeastShare * row[i]);
            row[i] = left > 0 ? Math.Sqrt(left) : 1;
        }
    }

    private ReadOnlySpan<double> Row(int k, int i) => _factors[k].AsSpan(i * Size, i + 1);

    /// <summary>The numbers of a class from [matrix row by row, biases].</summary>
    private void Gather(ReadOnlySpan<double> parameters, int k, Span<double> own)
    {
        parameters.Slice(k * _classes, _classes).CopyTo(own);
        own[_classes] = parameters[_classes * _classes + k];
    }

    private void Scatter(ReadOnlySpan<double> own, int k, Span<double> parameters)
    {
        own[.._classes].CopyTo(parameters[(k * _classes)..]);
        parameters[_classes * _classes + k] = own[_classes];
    }
}
