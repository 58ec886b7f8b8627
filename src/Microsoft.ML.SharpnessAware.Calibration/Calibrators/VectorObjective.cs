using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What vector scaling minimises over a scale α_k, relative to 1/T, and a bias b_k for each class, [scales, biases]: the mean smoothed log
/// loss of softmax(α ∘ ln p / T + b), plus (scale ridge · Σ (α_k − 1)² + bias ridge · Σ b_k²) / 2 / rows.
/// </summary>
internal sealed class VectorObjective(SmoothedLogLoss loss, double scaleRidge, double biasRidge)
{
    private readonly double[] _logarithms = new double[loss.NumberOfClasses];
    private readonly double[] _logits = new double[loss.NumberOfClasses];

    public double Evaluate(ReadOnlySpan<double> parameters, Span<double> gradient)
    {
        int classes = loss.NumberOfClasses;
        ReadOnlySpan<double> scale = parameters[..classes], bias = parameters[classes..];
        Span<double> scaleGradient = gradient[..classes], biasGradient = gradient[classes..];
        gradient.Clear();
        CompensatedSum value = default;
        for (int row = 0; row < loss.Count; row++)
        {
            loss.ReadLogarithms(row, _logarithms);
            TensorPrimitives.MultiplyAdd(scale, _logarithms, bias, _logits);
            value.Add(loss.Differentiate(row, _logarithms, _logits));
            TensorPrimitives.MultiplyAdd(_logits, _logarithms, scaleGradient, scaleGradient);
            TensorPrimitives.Add(biasGradient, _logits, biasGradient);
        }

        for (int k = 0; k < classes; k++)
        {
            double change = scale[k] - 1;
            value.Add((scaleRidge * change * change + biasRidge * bias[k] * bias[k]) / 2);
            scaleGradient[k] += scaleRidge * change;
            biasGradient[k] += biasRidge * bias[k];
        }

        TensorPrimitives.Divide(gradient, loss.Count, gradient);
        return value.Value / loss.Count;
    }
}
