using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;

// CalibrationOnly <folder>: one of ML.NET's own trainers, measured, calibrated, saved, loaded, drawn and reported. Prints the expected
// calibration error and the log loss before and after, then the names of the assemblies that were loaded.
string folder = args[0];
var mlContext = new MLContext(seed: 1);
// 40 rows: it will be overconfident
IDataView training = Rows(40, seed: 1), validation = Rows(400, seed: 2), test = Rows(400, seed: 3);
ITransformer model = mlContext.Transforms.Conversion.MapValueToKey("Label")
    .Append(mlContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy(l1Regularization: 0, l2Regularization: 0))
    .Fit(training);

ITransformer calibrator = mlContext.MulticlassClassification.Calibrators.Temperature().Fit(model.Transform(validation));
string path = Path.Combine(folder, "calibrated.zip");
mlContext.Model.Save(model.Append(calibrator), training.Schema, path);
IDataView before = model.Transform(test), after = new MLContext().Model.Load(path, out _).Transform(test);

MulticlassCalibrationMetrics raw = mlContext.MulticlassClassification.EvaluateCalibration(before);
MulticlassCalibrationMetrics calibrated = mlContext.MulticlassClassification.EvaluateCalibration(after);
raw.ReliabilityDiagram.SavePng(Path.Combine(folder, "reliability.png"));
new CalibrationReport(mlContext).Add("before", before).Add("after", after).SaveHtml(Path.Combine(folder, "report.html"));
foreach (MulticlassCalibrationMetrics metrics in new[] { raw, calibrated })
    Console.WriteLine(FormattableString.Invariant($"{metrics.ExpectedCalibrationError:R} {metrics.LogLoss:R}"));
foreach (System.Reflection.Assembly assembly in AppDomain.CurrentDomain.GetAssemblies())
    Console.WriteLine(assembly.GetName().Name);

// Three classes, of which the features tell something.
IDataView Rows(int count, int seed)
{
    var random = new Random(seed);
    return mlContext.Data.LoadFromEnumerable(Enumerable.Range(0, count).Select(i =>
    {
        float[] features = [.. Enumerable.Range(0, 10).Select(_ => random.NextSingle())];
        return new Row { Label = $"{(int)(2.9 * features[0] + random.NextSingle()) % 3}", Features = features };
    }).ToArray());
}

internal sealed class Row
{
    public string Label { get; set; } = "";

    [VectorType(10)]
    public float[] Features { get; set; } = [];
}
