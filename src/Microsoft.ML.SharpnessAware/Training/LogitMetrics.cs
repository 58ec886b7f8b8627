using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>What logits say at a temperature.</summary>
internal static class LogitMetrics
{
    /// <summary>Accuracy, log loss and calibration errors of softmax(logits / T), logits row-major [rows × classes].</summary>
    public static MulticlassCalibrationMetrics Of(float[] logits, int[] labels, int numberOfClasses, double temperature = 1)
    {
        using DisposeScope scope = NewDisposeScope();
        using Scalar divisor = temperature.ToScalar();
        Tensor scaled = tensor(logits, [labels.Length, numberOfClasses], device: CPU).div(divisor);
        return CalibrationMetrics.Compute(nn.functional.softmax(scaled, dim: 1).data<float>().ToArray(), labels, numberOfClasses);
    }
}
