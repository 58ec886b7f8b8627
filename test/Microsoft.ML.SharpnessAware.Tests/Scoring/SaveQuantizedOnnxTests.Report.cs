namespace Microsoft.ML.SharpnessAware.Tests;

// What the report says.
public sealed partial class SaveQuantizedOnnxTests
{
    [TestMethod]
    public void ImagesWithoutALabelAreNotMeasured()
    {
        List<PixelRow> rows = HardRows(60);
        ITransformer toKeys = MLContext.Transforms.Conversion.MapValueToKey("Label").Fit(MLContext.Data.LoadFromEnumerable(rows));
        using SharpnessAwareImageClassificationTransformer model = Train(toKeys.Transform(MLContext.Data.LoadFromEnumerable(rows)));
        using var folder = new TemporaryFolder();
        foreach ((int birds, int? measured) in new[] { (12, (int?)48), (60, null) })
        {
            IDataView data = toKeys.Transform(MLContext.Data.LoadFromEnumerable(rows.Select((row, i) =>
                new PixelRow { Label = i < birds ? "bird" : row.Label, Image = row.Image }).ToArray()));

            OnnxQuantizationReport report = model.SaveOnnx(folder.File("int8.onnx"), Int8(data))!;

            Assert.AreEqual(60, report.Count);
            Assert.AreEqual(measured, (int?)report.Before?.Count);
            Assert.AreEqual(measured, (int?)report.After?.Count);
        }
    }

    [TestMethod]
    public void TheTableHasEveryFigureInItsPlace()
    {
        var report = new OnnxQuantizationReport
        {
            BytesBefore = 400_400,
            BytesAfter = 100_600,
            TemperatureBefore = 1.25,
            TemperatureAfter = 1.5,
            Count = 7,
            SameClass = 0.875,
            Before = CalibrationMetrics.Compute([0.9f, 0.1f], [0], 2),
            After = CalibrationMetrics.Compute([0.6f, 0.4f], [0], 2),
        };

        string[] lines = [.. report.ToString().Split(Environment.NewLine)
            .Select(line => string.Join(" | ", line.Split("  ", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)))];

        CollectionAssert.AreEqual(
            new[]
            {
                "float32 | int8",
                "Kilobytes | 400 | 101",
                "Temperature | 1.250 | 1.500",
                "Accuracy | 100.00 % | 100.00 %",
                "Expected calibration error | 10.00 % | 40.00 %",
                "Log loss | 0.1054 | 0.5108",
                "7 images, of which 87.50 % get the same class.",
            },
            lines, string.Join(Environment.NewLine, lines));
    }
}
