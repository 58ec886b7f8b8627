using System.Numerics.Tensors;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;

namespace MLSharpness.Evidence.Data;

/// <summary>What a model says of some rows: class probabilities, row-major [rows × classes], and the true class of each row.</summary>
internal sealed record ScoreSet(float[] Probabilities, int[] Labels, int Classes)
{
    public int Count => Labels.Length;

    /// <summary>What a model says of some rows.</summary>
    public static ScoreSet Of(ITransformer model, IDataView rows, IReadOnlyList<int> labels, int classes) =>
        new([.. model.Transform(rows).GetColumn<float[]>("Score").SelectMany(row => row)], [.. labels], classes);

    public ScoreSet Choose(IReadOnlyList<int> rows)
    {
        float[] probabilities = new float[rows.Count * Classes];
        for (int i = 0; i < rows.Count; i++)
            Probabilities.AsSpan(rows[i] * Classes, Classes).CopyTo(probabilities.AsSpan(i * Classes));
        return new(probabilities, [.. rows.Select(row => Labels[row])], Classes);
    }

    /// <summary>Some rows, drawn by a seed.</summary>
    public ScoreSet Draw(int count, int seed)
    {
        int[] rows = [.. Enumerable.Range(0, Count)];
        new Random(seed).Shuffle(rows);
        return Choose(rows[..Math.Min(count, Count)]);
    }

    /// <summary>The largest probability of each row.</summary>
    public float[] Confidences()
    {
        float[] largest = new float[Count];
        for (int row = 0; row < Count; row++)
            largest[row] = TensorPrimitives.Max<float>(Probabilities.AsSpan(row * Classes, Classes));
        return largest;
    }

    /// <summary>The metrics as they are.</summary>
    public MulticlassCalibrationMetrics Metrics() => CalibrationMetrics.Compute(Probabilities, Labels, Classes);

    /// <summary>The metrics, after a calibrator that was fitted on other rows, or as they are where there is none.</summary>
    public MulticlassCalibrationMetrics Measure(
        Func<MulticlassCalibratorsCatalog, MulticlassCalibratorEstimator>? make, ScoreSet fittedOn)
    {
        float[] after = [.. Probabilities];
        if (make is not null)
        {
            MulticlassCalibrator calibrator = make(new MLContext(1).MulticlassClassification.Calibrators)
                .Fit(new CalibrationRows(fittedOn.Probabilities, fittedOn.Labels, fittedOn.Classes), null).Calibrator;
            for (int start = 0; start < after.Length; start += Classes)
                calibrator.Calibrate(after.AsSpan(start, Classes), after.AsSpan(start, Classes));
        }

        return CalibrationMetrics.Compute(after, Labels, Classes);
    }

    /// <summary>The same models' probabilities at another temperature: softmax of the logits over T, which the logarithms of the
    /// probabilities are but for a number in each row.</summary>
    public ScoreSet At(double temperature)
    {
        float[] probabilities = new float[Probabilities.Length];
        for (int start = 0; start < probabilities.Length; start += Classes)
        {
            ReadOnlySpan<float> row = Probabilities.AsSpan(start, Classes);
            double sum = 0;
            foreach (float probability in row)
                sum += Math.Pow(probability, 1 / temperature);
            for (int k = 0; k < Classes; k++)
                probabilities[start + k] = (float)(Math.Pow(row[k], 1 / temperature) / sum);
        }

        return this with { Probabilities = probabilities };
    }
}
