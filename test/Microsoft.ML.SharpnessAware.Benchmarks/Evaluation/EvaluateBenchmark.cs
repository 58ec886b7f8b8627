using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>EvaluateCalibration against ML.NET's own Evaluate on the same view, in memory: rows × classes, and linearity in rows.</summary>
internal static class EvaluateBenchmark
{
    public static void Run()
    {
        MLContext mlContext = new(seed: 1);
        Console.WriteLine("      Rows  Classes   Calibration ms   Evaluate ms   Ratio (10 % to 90 %)");
        Compare(mlContext, rows: 1_000, classes: 10);
        Compare(mlContext, rows: 20_000, classes: 10);
        SideBySide quarter = Compare(mlContext, rows: 250_000, classes: 10);
        SideBySide whole = Compare(mlContext, rows: 1_000_000, classes: 10);
        Compare(mlContext, rows: 1_000_000, classes: 2);
        Compare(mlContext, rows: 200_000, classes: 100);
        Compare(mlContext, rows: 20_000, classes: 1_000);
        Console.WriteLine();
        double growth = whole.OursMilliseconds.Median / quarter.OursMilliseconds.Median;
        Console.WriteLine($"Four times the rows take {growth:F2} times as long.");
    }

    public static SideBySide Compare(MLContext mlContext, int rows, int classes)
    {
        IDataView data = Scored(mlContext, rows, classes);
        SideBySide times = SideBySide.Run(
            () => mlContext.MulticlassClassification.EvaluateCalibration(data),
            () => mlContext.MulticlassClassification.Evaluate(data));
        Console.WriteLine($"{rows,10:N0} {classes,8:N0} {times.OursMilliseconds.Median,16:F1} {times.TheirsMilliseconds.Median,13:F1}   "
            + $"{times.Ratio.Median:F2} ({times.Ratio.P10:F2} to {times.Ratio.P90:F2})");
        return times;
    }

    /// <summary>Scores like those of a network: one class stands out, and is the true one as often as its score says.</summary>
    public static IDataView Scored(MLContext mlContext, int rows, int classes)
    {
        Random random = new(1);
        Row[] values = new Row[rows];
        for (int i = 0; i < rows; i++)
        {
            float[] scores = new float[classes];
            for (int k = 0; k < classes; k++)
                scores[k] = MathF.Exp(3 * random.NextSingle());
            int predicted = random.Next(classes);
            scores[predicted] *= classes * random.NextSingle();
            float sum = scores.Sum();
            for (int k = 0; k < classes; k++)
                scores[k] /= sum;
            int label = random.NextSingle() < scores[predicted] ? predicted : random.Next(classes);
            values[i] = new Row { Label = (uint)label, Score = scores, PredictedLabel = (uint)predicted };
        }

        SchemaDefinition schema = SchemaDefinition.Create(typeof(Row));
        schema[nameof(Row.Label)].ColumnType = new KeyDataViewType(typeof(uint), classes);
        schema[nameof(Row.PredictedLabel)].ColumnType = new KeyDataViewType(typeof(uint), classes);
        schema[nameof(Row.Score)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, classes);
        return mlContext.Data.LoadFromEnumerable(values, schema);
    }

    private sealed class Row
    {
        public uint Label { get; set; }

        public float[] Score { get; set; } = [];

        public uint PredictedLabel { get; set; }
    }
}
