using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What Dirichlet calibration minimises over a matrix V, relative to 1/T, and a bias for each class, [matrix row by row, biases]: the mean
/// smoothed log loss of softmax(V ln p / T + b), plus (diagonal ridge · Σ (v_ii − 1)² + off-diagonal ridge · Σ_{i≠j} v_ij² + bias ridge ·
/// Σ b_i²) / 2 / rows.
/// </summary>
internal sealed class DirichletObjective(SmoothedLogLoss loss, double diagonalRidge, double offDiagonalRidge, double biasRidge)
{
    // Several rows at a time, so that a row of the matrix is fetched from memory once for all of them.
    private const int BlockRows = 16;

    // The rows in as many parts, whatever the number of processors: so the sums, and with them the bits, are always the same.
    private const int Parts = 8;
    private const long ProductsForThreads = 1 << 20;

    private readonly double[] _values = new double[Parts];
    private readonly double[]?[] _gradients = new double[Parts][];

    public double Evaluate(ReadOnlySpan<double> parameters, Span<double> gradient)
    {
        int classes = loss.NumberOfClasses;
        double[] shared = parameters.ToArray();
        if ((long)classes * classes * loss.Count < ProductsForThreads)
        {
            for (int part = 0; part < Parts; part++)
                Add(part, shared);
        }
        else
        {
            Parallel.For(0, Parts, part => Add(part, shared));
        }

        gradient.Clear();
        CompensatedSum value = default;
        for (int part = 0; part < Parts; part++)
        {
            value.Add(_values[part]);
            TensorPrimitives.Add(gradient, _gradients[part], gradient);
        }

        ReadOnlySpan<double> matrix = parameters[..(classes * classes)], bias = parameters[(classes * classes)..];
        Span<double> matrixGradient = gradient[..(classes * classes)], biasGradient = gradient[(classes * classes)..];
        for (int i = 0; i < matrix.Length; i++)
        {
            bool isDiagonal = i % (classes + 1) == 0;
            double ridge = isDiagonal ? diagonalRidge : offDiagonalRidge, change = matrix[i] - (isDiagonal ? 1 : 0);
            value.Add(ridge * change * change / 2);
            matrixGradient[i] += ridge * change;
        }

        for (int k = 0; k < classes; k++)
        {
            value.Add(biasRidge * bias[k] * bias[k] / 2);
            biasGradient[k] += biasRidge * bias[k];
        }

        TensorPrimitives.Divide(gradient, loss.Count, gradient);
        return value.Value / loss.Count;
    }

    /// <summary>The loss of one part of the rows and its gradient.</summary>
    private void Add(int part, double[] parameters)
    {
        int classes = loss.NumberOfClasses;
        double[] gradient = _gradients[part] ??= new double[parameters.Length];
        Array.Clear(gradient);
        double[] logarithms = new double[BlockRows * classes], logits = new double[BlockRows * classes];
        ReadOnlySpan<double> matrix = parameters.AsSpan(0, classes * classes), bias = parameters.AsSpan(classes * classes);
        Span<double> matrixGradient = gradient.AsSpan(0, classes * classes), biasGradient = gradient.AsSpan(classes * classes);
        CompensatedSum value = default;
        int end = (int)((long)loss.Count * (part + 1) / Parts);
        for (int start = (int)((long)loss.Count * part / Parts); start < end; start += BlockRows)
        {
            int rows = Math.Min(BlockRows, end - start);
            for (int row = 0; row < rows; row++)
                loss.ReadLogarithms(start + row, Row(logarithms, row));
            for (int k = 0; k < classes; k++)
            {
                ReadOnlySpan<double> ofClass = matrix.Slice(k * classes, classes);
                for (int row = 0; row < rows; row++)
                    Row(logits, row)[k] = TensorPrimitives.Dot(ofClass, Row(logarithms, row)) + bias[k];
            }

            for (int row = 0; row < rows; row++)
            {
                value.Add(loss.Differentiate(start + row, Row(logarithms, row), Row(logits, row)));
                TensorPrimitives.Add(biasGradient, Row(logits, row), biasGradient);
            }

            for (int k = 0; k < classes; k++)
            {
                Span<double> ofClass = matrixGradient.Slice(k * classes, classes);
                for (int row = 0; row < rows; row++)
                    TensorPrimitives.MultiplyAdd(Row(logarithms, row), Row(logits, row)[k], ofClass, ofClass);
            }
        }

        _values[part] = value.Value;
    }

    private Span<double> Row(double[] values, int row) => values.AsSpan(row * loss.NumberOfClasses, loss.NumberOfClasses);
}
