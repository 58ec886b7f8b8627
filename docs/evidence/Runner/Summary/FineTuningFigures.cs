using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Summary;

/// <summary>What fine-tuning gave, as figures.</summary>
internal static class FineTuningFigures
{
    private static readonly (string Title, string Method, string? Rho)[] Ways =
    [
        ("the head alone", "head", null), ("gentle, 0.001", "gentle at 0.001", "0.01"), ("gentle, 0.003", "gentle at 0.003", "0.01"),
        ("full, 0.02, batches of 16", "full at 0.02 in batches of 16", null),
    ];

    /// <summary>The log loss on images set aside after each epoch, the mean over seeds; the head's as a level line.</summary>
    public static Figure Epochs(IReadOnlyList<ResultRow> rows)
    {
        double most = rows.Where(row => Ways.Any(way => way.Method == row["method"])).Max(row => row.Number("epoch"));
        return Plots.Lines("What each way has reached after so many epochs",
            "log loss of the 40 images set aside, at the temperature that suits them; mean over seeds; 2.3 is guessing",
            [.. Ways.Select(way => way.Title)],
            [
                .. rows.Select(row => row["pictures"]).Distinct().Select(set => new Panel($"{set} a class", "Epoch", "Log loss",
                    [.. Ways.Select(way => Curve(set, way.Method, way.Rho))]) { RangeY = (0, 2.4) }),
            ], 380);

        IReadOnlyList<(double, double, double)> Curve(string set, string method, string? rho)
        {
            var epochs = rows.Where(row => row["pictures"] == set && row["method"] == method && (rho is null || row["rho"] == rho))
                .GroupBy(row => row.Number("epoch")).OrderBy(epoch => epoch.Key)
                .Select(epoch => (X: epoch.Key, Y: epoch.Average(row => row.Number("refinement")), 0.0)).ToArray();
            return method == "head" && epochs.Length == 1 ? [(1, epochs[0].Y, 0), (most, epochs[0].Y, 0)] : epochs;
        }
    }

    /// <summary>The whole network by each method, and the head: log loss as users get it, and the ECE that a temperature is not there to
    /// mend.</summary>
    public static Figure Methods(IReadOnlyList<ResultRow> rows)
    {
        (string Title, string Method)[] methods =
        [
            ("the head alone", "head"), ("no climb", "base"), ("SAM", "SAM"), ("CSAM, γ = 1", "CSAM 1"),
            ("CSAM in every fifth step", "CSAM 1 period 5"), ("label smoothing", "base + label smoothing 0.05"),
        ];
        string[] sets = [.. rows.Select(row => row["setting"]).Distinct()];
        return Plots.Lines("The head, and the whole network by each method",
            "above: log loss with the temperature; below: ECE before it, which a head is not fitted for; bars: standard error, five seeds",
            [.. methods.Select(method => method.Title)],
            [
                .. sets.Select(set => Panel(set, Measure.ScaledLogLoss, "Log loss")),
                .. sets.Select(set => Panel(set, Measure.Ece, "ECE %") with { RangeY = (0, 20) }).Select(panel =>
                    panel with { Curves = [[], .. panel.Curves.Skip(1)] }),
            ], 380, rows: 2);

        Panel Panel(string set, Measure measure, string title) => new(set, "Pictures a class", title,
            [.. methods.Select(method => BySize(rows.Where(row => row["setting"] == set && row["method"] == method.Method), measure))])
        {
            LogarithmicX = true,
        };
    }

    /// <summary>ECE by the number of pictures: each model as its users get it.</summary>
    public static Figure Rivals(IReadOnlyList<ResultRow> rows)
    {
        (string Title, string Method, string Calibrator)[] models =
        [
            ("head, with its temperature", HeadModels.Head, "temperature"),
            ("maximum entropy on DnnFeaturizeImage", "maximum entropy on DnnFeaturizeImage", "none"),
            ("the same, with a temperature", "maximum entropy on DnnFeaturizeImage", "temperature"),
            ("LightGBM on FeaturizeImages", "LightGBM on FeaturizeImages", "none"),
        ];
        return Plots.Lines("Calibration error by the number of pictures", "ECE in %; bars: standard error over seeds",
            [.. models.Select(model => model.Title)],
            [
                .. rows.Select(row => row["setting"]).Distinct().Select(set => new Panel(set, "Pictures a class", "ECE %",
                    [.. models.Select(model => Curve(set, model.Method, model.Calibrator))]) { LogarithmicX = true, RangeY = (0, 15) }),
            ], 380);

        IReadOnlyList<(double, double, double)> Curve(string set, string method, string calibrator) => BySize(
            rows.Where(row => row["setting"] == set && row["method"] == method && row["calibrator"] == calibrator), Measure.Ece);
    }

    private static IReadOnlyList<(double, double, double)> BySize(IEnumerable<ResultRow> rows, Measure measure) =>
    [
        .. rows.GroupBy(row => row.Number("pictures")).OrderBy(size => size.Key).Select(size =>
        {
            Estimate estimate = Tables.Values(size, measure);
            return (size.Key, measure.Factor * estimate.Mean, estimate.Count < 2 ? 0 : measure.Factor * estimate.StandardError);
        }),
    ];
}
