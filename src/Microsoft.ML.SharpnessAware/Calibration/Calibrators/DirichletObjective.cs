using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What Dirichlet calibration minimises over a matrix and a bias for each class, [matrix row by row, biases]: the mean smoothed log loss of
/// softmax(W ln p + b), plus half the off-diagonal strength for each squared w_ij, i ≠ j, and half the bias strength for each squared b_i,
/// divided by the number of rows.
/// </summary>
internal sealed class DirichletObjective(CalibrationRows rows, double offDiagonalRegularization, double biasRegularization)
{
    private readonly SmoothedLogLoss _loss = new(rows);
    private readonly double[] _logarithms = new double[rows.NumberOfClasses];
    private readonly double[] _logits = new double[rows.NumberOfClasses];

    public double Evaluate(ReadOnlySpan<double> parameters, Span<double> gradient)
    {
        int classes = _loss.NumberOfClasses;
        ReadOnlySpan<double> weights = parameters[..(classes * classes)], bias = parameters[(classes * classes)..];
        Span<double> weightGradient = gradient[..(classes * classes)], biasGradient = gradient[(classes * classes)..];
        gradient.Clear();
        CompensatedSum value = default;
        for (int row = 0; row < _loss.Count; row++)
        {
            _loss.ReadLogarithms(row, _logarithms);
            DirichletCalibrator.Transform(weights, bias, _logarithms, _logits);
            value.Add(_loss.Differentiate(row, _logits));
            for (int k = 0; k < classes; k++)
            {
                Span<double> row_k = weightGradient.Slice(k * classes, classes);
                TensorPrimitives.MultiplyAdd(_logarithms, _logits[k], row_k, row_k);
            }

            TensorPrimitives.Add(biasGradient, _logits, biasGradient);
        }

        double penalty = biasRegularization * TensorPrimitives.SumOfSquares(bias);
        TensorPrimitives.MultiplyAdd(bias, biasRegularization, biasGradient, biasGradient);
        for (int k = 0; k < classes; k++)
        {
            ReadOnlySpan<double> row = weights.Slice(k * classes, classes);
            penalty += offDiagonalRegularization * (TensorPrimitives.SumOfSquares(row) - row[k] * row[k]);
            Span<double> rowGradient = weightGradient.Slice(k * classes, classes);
            double diagonal = rowGradient[k];
            TensorPrimitives.MultiplyAdd(row, offDiagonalRegularization, rowGradient, rowGradient);
            rowGradient[k] = diagonal;
        }

        TensorPrimitives.Divide(gradient, _loss.Count, gradient);
        return (value.Value + penalty / 2) / _loss.Count;
    }
}
