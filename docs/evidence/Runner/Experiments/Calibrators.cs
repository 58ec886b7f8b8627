using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Data;
using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Experiments;

/// <summary>Which calibrator, with how many rows? All of them on models of several kinds, fitted on few and many rows and judged on
/// others.</summary>
internal sealed class Calibrators : Experiment
{
    private static readonly int[] Sizes = [50, 200, 1_000, 2_500];

    private static readonly string[] Values = ["log_loss", "ece", "accuracy"];

    public override string Name => "calibrators";

    public override IReadOnlyList<Setting> DefaultSettings => [ScoredModels.Setting];

    public static IReadOnlyList<(string Name, Func<MulticlassCalibratorsCatalog, MulticlassCalibratorEstimator>? Make)> All { get; } =
    [
        ("none", null),
        ("temperature", catalog => catalog.Temperature()),
        ("vector", catalog => catalog.Vector()),
        ("structured matrix", catalog => catalog.StructuredMatrix()),
        ("Dirichlet", catalog => catalog.Dirichlet()),
        ("isotonic", catalog => catalog.Isotonic()),
    ];

    public override void Run(Laboratory laboratory, IReadOnlyList<Setting> settings)
    {
        ResultFile file = laboratory.Open(Name, ["model", "rows", "calibrator", "seed", "draw"], Values);
        var models = new ScoredModels(laboratory);
        laboratory.Do(file, Name,
            from name in laboratory.IsSmoke ? ScoredModels.Names.Take(1) : ScoredModels.Names
            from seed in Enumerable.Range(1, laboratory.Seeds)
            let scores = new Lazy<ScoreSplit>(() => models.Get(name, seed))
            from size in laboratory.IsSmoke ? Sizes[..1] : Sizes
            from draw in Enumerable.Range(1, laboratory.IsSmoke || size > 1_000 ? 1 : 4)
            from calibrator in All
            select new Run(
                [name, Text.Of(size), calibrator.Name, Text.Of(seed), Text.Of(draw)],
                () => Measure(scores.Value, size, calibrator.Make, draw)),
            report: false);
    }

    private static double[] Measure(
        ScoreSplit scores, int size, Func<MulticlassCalibratorsCatalog, MulticlassCalibratorEstimator>? make, int draw)
    {
        ScoreSet rows = scores.Calibration.Draw(size, draw), test = scores.Test;
        MulticlassCalibrationMetrics metrics = test.Measure(make, rows);
        return [metrics.LogLoss, metrics.ExpectedCalibrationError, metrics.Accuracy];
    }
}
