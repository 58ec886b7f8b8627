using System.Diagnostics;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>Fitting prediction sets and abstention, and applying them to every row, against one EvaluateCalibration of the same view in
/// memory.</summary>
internal static class DecisionBenchmark
{
    private const int Rounds = 5;

    public static void Run()
    {
        MLContext mlContext = new(seed: 1);
        Console.WriteLine($"Smallest of {Rounds} runs, milliseconds; in brackets the ratio to EvaluateCalibration");
        Console.WriteLine("      Rows  Classes  EvaluateCalibration  Decision                 Fit                Apply");
        foreach ((int rows, int classes) in new[] { (1_000_000, 10), (20_000, 1_000) })
            Compare(mlContext, EvaluateBenchmark.Scored(mlContext, rows, classes), rows, classes);
    }

    private static void Compare(MLContext mlContext, IDataView data, int rows, int classes)
    {
        MulticlassDecisionsCatalog decisions = mlContext.MulticlassClassification.Decisions;
        (string Name, Func<ITransformer> Fit, string Column)[] ways =
        [
            .. Enum.GetValues<PredictionSetScore>().Select(score =>
                ($"{score}", (Func<ITransformer>)(() => decisions.PredictionSets(0.9, score).Fit(data)), "PredictionSet")),
            ("Abstain", () => decisions.Abstain(0.9).Fit(data), "Accepted"),
        ];

        // In turns, so that all of them meet the same machine.
        double evaluate = double.PositiveInfinity;
        double[] fit = [.. ways.Select(_ => double.PositiveInfinity)], apply = [.. fit];
        for (int round = 0; round <= Rounds; round++)
        {
            double time = Time(() => mlContext.MulticlassClassification.EvaluateCalibration(data));
            evaluate = round == 0 ? evaluate : Math.Min(evaluate, time);        // the first round warms up
            for (int i = 0; i < ways.Length; i++)
            {
                ITransformer? decision = null;
                time = Time(() => decision = ways[i].Fit());
                fit[i] = round == 0 ? fit[i] : Math.Min(fit[i], time);
                time = Time(() => ReadAll(decision!.Transform(data), ways[i].Column));
                apply[i] = round == 0 ? apply[i] : Math.Min(apply[i], time);
            }
        }

        for (int i = 0; i < ways.Length; i++)
        {
            Console.WriteLine($"{rows,10:N0} {classes,8:N0} {evaluate,20:F0}  {ways[i].Name,-19} {fit[i],9:F0} ({fit[i] / evaluate:F2}) "
                + $"{apply[i],13:F0} ({apply[i] / evaluate:F2})");
        }
    }

    private static void ReadAll(IDataView data, string columnName)
    {
        DataViewSchema.Column column = data.Schema[columnName];
        using DataViewRowCursor cursor = data.GetRowCursor([column]);
        if (column.Type is BooleanDataViewType)
            Read<bool>(cursor, column);
        else
            Read<VBuffer<uint>>(cursor, column);
    }

    private static void Read<T>(DataViewRowCursor cursor, DataViewSchema.Column column)
    {
        ValueGetter<T> get = cursor.GetGetter<T>(column);
        T value = default!;
        while (cursor.MoveNext())
            get(ref value);
    }

    private static double Time(Action action)
    {
        GC.Collect();
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }
}
