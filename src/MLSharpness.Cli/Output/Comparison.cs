using MathNet.Numerics.Distributions;
using Microsoft.ML.SharpnessAware;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace MLSharpness.Cli;

/// <summary>What several methods reached, each with the same seeds.</summary>
/// <param name="methods">Their names.</param>
/// <param name="seed">That of the intervals of one training.</param>
internal sealed class Comparison(IReadOnlyList<string> methods, int seed)
{
    private static readonly (string Name, Func<MulticlassCalibrationMetrics, double> Value, double Unit, string Format)[] Columns =
    [
        ("Accuracy %", metrics => metrics.Accuracy, 100, "F1"),
        ("Confidence %", metrics => metrics.MeanConfidence, 100, "F1"),
        ("ECE %", metrics => metrics.ExpectedCalibrationError, 100, "F1"),
        ("AdaECE %", metrics => metrics.AdaptiveCalibrationError, 100, "F1"),
        ("Log loss", metrics => metrics.LogLoss, 1, "F3"),
        ("Brier", metrics => metrics.BrierScore, 1, "F3"),
    ];

    private readonly List<MulticlassCalibrationMetrics>[] _results = [.. methods.Select(_ => new List<MulticlassCalibrationMetrics>())];

    // Seeds that every method has been trained with: a comparison that was interrupted shows those.
    private int Seeds => _results.Min(results => results.Count);

    /// <summary>Whether there is anything to show.</summary>
    public bool IsEmpty => _results.All(results => results.Count == 0);

    public void Add(int method, MulticlassCalibrationMetrics metrics) => _results[method].Add(metrics);

    public object Json() => methods.Select((method, i) => new
    {
        method,
        seeds = _results[i].Select(metrics => MetricsOutput.Json(metrics, seed)),
        differenceFromFirst = i == 0 || Seeds < 2 ? null : Columns.ToDictionary(
            column => column.Name.TrimEnd('%', ' '),
            column => Difference(i, column.Value) is var (mean, half) ? new[] { mean, mean - half, mean + half } : null),
    });

    public IRenderable Tables()
    {
        if (Seeds < 2)
            return MetricsOutput.Table(methods.Zip(_results).Where(pair => pair.Second.Count > 0)
                .Select(pair => (pair.First, pair.Second[0])), seed);
        Table means = Table($"Means over {Seeds} seeds ± standard error");
        Table differences = Table($"Less {methods[0]}: mean difference [95 % interval]");
        for (int i = 0; i < methods.Count; i++)
        {
            means.AddRow([new Text(methods[i]), .. Columns.Select(column =>
            {
                (double mean, double error) = Mean(_results[i].Take(Seeds).Select(metrics => column.Unit * column.Value(metrics)));
                return new Text($"{mean.ToString(column.Format)} ± {error.ToString(column.Format)}");
            })]);
            if (i > 0)
            {
                differences.AddRow([new Text(methods[i]), .. Columns.Select(column =>
                {
                    (double mean, double half) = Difference(i, metrics => column.Unit * column.Value(metrics));
                    string digits = column.Format == "F1" ? "0.0" : "0.000", format = $"+{digits};-{digits};{digits}";
                    return new Text($"{mean.ToString(format)} [{(mean - half).ToString(format)}, {(mean + half).ToString(format)}]");
                })]);
            }
        }

        return methods.Count == 1 ? means : new Rows(means, differences);
    }

    private static Table Table(string title) => new Table { Border = TableBorder.Simple, Title = new TableTitle(title.EscapeMarkup()) }
        .AddColumns(["", .. Columns.Select(column => column.Name)]);

    /// <summary>The mean difference from the first method, seed by seed, and half the width of its 95 % interval.</summary>
    private (double Mean, double HalfWidth) Difference(int method, Func<MulticlassCalibrationMetrics, double> value)
    {
        (double mean, double error) = Mean(_results[method].Take(Seeds).Zip(_results[0], (ours, first) => value(ours) - value(first)));
        return (mean, StudentT.InvCDF(location: 0, scale: 1, freedom: Seeds - 1, 0.975) * error);
    }

    private static (double Mean, double StandardError) Mean(IEnumerable<double> values)
    {
        double[] all = [.. values];
        double mean = all.Average();
        return (mean, Math.Sqrt(all.Sum(value => (value - mean) * (value - mean)) / (all.Length - 1) / all.Length));
    }
}
