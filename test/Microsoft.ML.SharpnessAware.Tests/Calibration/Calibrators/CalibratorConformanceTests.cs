using Microsoft.ML.Data;
using static Microsoft.ML.SharpnessAware.Tests.Calibration.CalibratorFits;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>What ML.NET demands of its own estimators, of every calibrator and kind of scored data.</summary>
[TestClass]
public sealed class CalibratorConformanceTests
{
    [TestMethod]
    [EachCalibrator]
    public void TheEstimatorKeepsItsPromises(string kind)
    {
        ScoredRows rows = ScoredRows.Confused(60);
        foreach (IDataView data in new[]
        {
            rows.View(Context), rows.View(Context, names: true), rows.View(Context, predictedLabel: true),
            rows.View(Context, names: true, predictedLabel: true), Examples.Scored(Context, 60),
            Examples.Scored(Context, 60, "Number"), Examples.Scored(Context, 60, "Key"),
            WithoutPrediction(Examples.Scored(Context, 60, "Key")),
        })
        {
            EstimatorConformance.Check(Context, Estimator(kind), data, Unusable());
        }
    }

    private static IDataView WithoutPrediction(IDataView scored) =>
        Context.Transforms.SelectColumns("Label", "Score").Fit(scored).Transform(scored);

    private static IDataView Unusable() => Context.Data.LoadFromEnumerable([new WrongRow()]);

    private sealed class WrongRow
    {
        [KeyType(3)]
        public uint Label { get; set; }

        public float Score { get; set; }
    }
}
