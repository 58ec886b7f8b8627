using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The log loss of rows against targets that are a little less certain than the labels: (1 − s)·[y = k] + s·p_k, where p are the
/// probabilities to calibrate and s = 1 / (rows + 1).
/// </summary>
/// <remarks>
/// It is as if the uncalibrated model counted as one row more. The loss stays convex in logits, its minimum is finite also where the
/// labels alone would ask for probabilities of 0 and 1, and since the cross entropy against p is lowest at p itself, what it gains over p
/// the plain log loss gains, too.
/// </remarks>
internal sealed class SmoothedLogLoss(CalibrationRows rows)
{
    /// <summary>ln of the smallest probability that the metrics' log loss tells from 0; a probability below counts as this.</summary>
    public static readonly float SmallestLogarithm = (float)Math.Log(CalibrationAccumulator.SmallestProbability);

    private readonly float[] _logarithms = rows.Logarithms(SmallestLogarithm);
    private readonly double[] _own = new double[rows.NumberOfClasses];

    public int Count => rows.Count;

    public int NumberOfClasses => rows.NumberOfClasses;

    /// <summary>ln p of one row.</summary>
    public void ReadLogarithms(int row, Span<double> destination) =>
        TensorPrimitives.ConvertTruncating<float, double>(_logarithms.AsSpan(row * NumberOfClasses, NumberOfClasses), destination);

    /// <summary>The loss of one row, and in place of its logits the gradient with respect to them.</summary>
    public double Differentiate(int row, Span<double> logits)
    {
        double weight = rows.WeightOfOneRow;
        int label = rows.Labels[row];
        TensorPrimitives.ConvertTruncating<float, double>(rows.Row(row), _own);
        TensorPrimitives.Multiply(_own, weight / TensorPrimitives.Sum<double>(_own), _own);

        TensorPrimitives.Subtract(logits, TensorPrimitives.Max<double>(logits), logits);
        double loss = -(1 - weight) * logits[label] - TensorPrimitives.Dot<double>(_own, logits);
        TensorPrimitives.Exp<double>(logits, logits);
        double sum = TensorPrimitives.Sum<double>(logits);
        TensorPrimitives.Divide(logits, sum, logits);
        TensorPrimitives.Subtract(logits, _own, logits);
        logits[label] -= 1 - weight;
        return loss + Math.Log(sum);
    }
}
