using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What vector scaling minimises over a scale and a bias for each class, [scales, biases]: the mean smoothed log loss of
/// softmax(scale · ln p + bias), plus half the ridge for each squared bias, divided by the number of rows.
/// </summary>
internal sealed class VectorObjective(CalibrationRows rows, double ridge)
{
    private readonly SmoothedLogLoss _loss = new(rows);
    private readonly double[] _logarithms = new double[rows.NumberOfClasses];
    private readonly double[] _logits = new double[rows.NumberOfClasses];

    public double Evaluate(ReadOnlySpan<double> parameters, Span<double> gradient)
    {
        int classes = _loss.NumberOfClasses;
        ReadOnlySpan<double> scale = parameters[..classes], bias = parameters[classes..];
        Span<double> scaleGradient = gradient[..classes], biasGradient = gradient[classes..];
        gradient.Clear();
        CompensatedSum value = default;
        for (int row = 0; row < _loss.Count; row++)
        {
            _loss.ReadLogarithms(row, _logarithms);
            TensorPrimitives.MultiplyAdd(scale, _logarithms, bias, _logits);
            value.Add(_loss.Differentiate(row, _logits));
            TensorPrimitives.MultiplyAdd(_logits, _logarithms, scaleGradient, scaleGradient);
            TensorPrimitives.Add(biasGradient, _logits, biasGradient);
        }

        TensorPrimitives.MultiplyAdd(bias, ridge, biasGradient, biasGradient);
        TensorPrimitives.Divide(gradient, _loss.Count, gradient);
        return (value.Value + ridge / 2 * TensorPrimitives.SumOfSquares(bias)) / _loss.Count;
    }
}
