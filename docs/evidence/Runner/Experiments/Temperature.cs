using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Data;
using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Experiments;

/// <summary>
/// How many rows does a temperature need, and what rule does no harm where there are few? Temperatures are fitted on 20 to 1,000 rows of
/// simulated models whose best temperature is known and of real ones, by the log loss alone and with priors towards T = 1 of several
/// weights, with and without a cross-fit that leaves out what does harm; they are judged on other rows.
/// </summary>
internal sealed class Temperature : Experiment
{
    private const double Harm = 0.01;
    private const int SimulatedRows = 4_000;

    private static readonly int[] Sizes = [20, 30, 50, 100, 200, 1_000];

    private static readonly (double Weight, double HarmDeviations)[] Rules =
    [
        (0, double.PositiveInfinity), (1, double.PositiveInfinity), (2, double.PositiveInfinity), (4, double.PositiveInfinity),
        (8, double.PositiveInfinity), (16, double.PositiveInfinity), (0, 1.645), (2, 1.645), (4, 1.645), (8, 1.645), (4, 0),
    ];

    private static readonly string[] Values =
        ["log_loss", "best_log_loss", "fitted_log_loss", "worst_log_loss", "harmed", "ece", "fitted_ece"];

    public override string Name => "temperature";

    public override IReadOnlyList<Setting> DefaultSettings => [ScoredModels.Setting];

    public override void Run(Laboratory laboratory, IReadOnlyList<Setting> settings)
    {
        ResultFile file = laboratory.Open(Name, ["model", "rows", "prior", "cross_fit", "seed"], Values);
        var models = new ScoredModels(laboratory);
        IEnumerable<(Lazy<ScoreSplit> Scores, string Name, int Seed)> sources =
        [
            .. from model in laboratory.IsSmoke ? SimulatedModel.All.Take(2) : SimulatedModel.All
               select (new Lazy<ScoreSplit>(() => model.Draw(SimulatedRows, seed: 1)), model.Name, 1),
            .. from name in laboratory.IsSmoke ? ScoredModels.Names.Take(1) : ScoredModels.Names
               from seed in Enumerable.Range(1, laboratory.Seeds)
               select (new Lazy<ScoreSplit>(() => models.Get(name, seed)), name, seed),
        ];
        laboratory.Do(file, Name,
            from source in sources
            from size in laboratory.IsSmoke ? Sizes[..1] : Sizes
            from rule in Rules
            select new Run(
                [source.Name, Text.Of(size), Text.Of(rule.Weight), Text.Of(rule.HarmDeviations), Text.Of(source.Seed)],
                () => Measure(source.Scores.Value, size, new TemperaturePrior(rule.Weight, rule.HarmDeviations))),
            report: laboratory.IsSmoke);
    }

    private static double[] Measure(ScoreSplit scores, int size, TemperaturePrior prior)
    {
        int draws = size >= 1_000 ? 5 : 30;
        MulticlassCalibrationMetrics before = At(scores.Test, 1);
        double best = At(scores.Test, Fit(scores.Test, new(0, double.PositiveInfinity))).LogLoss;
        MulticlassCalibrationMetrics[] after = [.. Enumerable.Range(1, draws)
            .Select(draw => At(scores.Test, Fit(scores.Calibration.Draw(size, draw), prior)))];
        return
        [
            before.LogLoss, best, after.Average(metrics => metrics.LogLoss), after.Max(metrics => metrics.LogLoss),
            after.Count(metrics => metrics.LogLoss > before.LogLoss + Harm) / (double)draws,
            before.ExpectedCalibrationError, after.Average(metrics => metrics.ExpectedCalibrationError),
        ];
    }

    private static double Fit(ScoreSet rows, TemperaturePrior prior) => TemperatureScaling.FitWithPrior(
        new CalibrationRows(rows.Probabilities, rows.Labels, rows.Classes).Logarithms(), rows.Labels, rows.Classes, prior);

    private static MulticlassCalibrationMetrics At(ScoreSet rows, double temperature)
    {
        float[] scaled = new float[rows.Probabilities.Length];
        for (int start = 0; start < scaled.Length; start += rows.Classes)
            TemperatureScaling.Apply(rows.Probabilities.AsSpan(start, rows.Classes), temperature, scaled.AsSpan(start, rows.Classes));
        return CalibrationMetrics.Compute(scaled, rows.Labels, rows.Classes);
    }
}
