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

    private readonly double[] _logarithms = new double[BlockRows * loss.NumberOfClasses];
    private readonly double[] _logits = new double[BlockRows * loss.NumberOfClasses];

    public double Evaluate(ReadOnlySpan<double> parameters, Span<double> gradient)
    {
        int classes = loss.NumberOfClasses;
        ReadOnlySpan<double> matrix = parameters[..(classes * classes)], bias = parameters[(classes * classes)..];
        Span<double> matrixGradient = gradient[..(classes * classes)], biasGradient = gradient[(classes * classes)..];
        gradient.Clear();
        CompensatedSum value = default;
        for (int start = 0; start < loss.Count; start += BlockRows)
        {
            int rows = Math.Min(BlockRows, loss.Count - start);
            for (int row = 0; row < rows; row++)
                loss.ReadLogarithms(start + row, Row(_logarithms, row));
            for (int k = 0; k < classes; k++)
            {
                for (int row = 0; row < rows; row++)
                    Row(_logits, row)[k] = TensorPrimitives.Dot(Row(matrix, k), Row(_logarithms, row)) + bias[k];
            }

            for (int row = 0; row < rows; row++)
            {
                value.Add(loss.Differentiate(start + row, Row(_logarithms, row), Row(_logits, row)));
                TensorPrimitives.Add(biasGradient, Row(_logits, row), biasGradient);
            }

            for (int k = 0; k < classes; k++)
            {
                Span<double> ofClass = matrixGradient.Slice(k * classes, classes);
                for (int row = 0; row < rows; row++)
                    TensorPrimitives.MultiplyAdd(Row(_logarithms, row), Row(_logits, row)[k], ofClass, ofClass);
            }
        }

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

    private Span<double> Row(double[] values, int row) => values.AsSpan(row * loss.NumberOfClasses, loss.NumberOfClasses);

    private ReadOnlySpan<double> Row(ReadOnlySpan<double> values, int row) =>
        values.Slice(row * loss.NumberOfClasses, loss.NumberOfClasses);
}
