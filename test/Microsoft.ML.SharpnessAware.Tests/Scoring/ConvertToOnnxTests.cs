namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class ConvertToOnnxTests
{
    private static readonly MLContext MLContext = new(1);

    [TestMethod]
    public void APipelineWithTheTrainerIsRefusedRatherThanWrittenWrong()
    {
        IDataView data = MLContext.Data.LoadFromEnumerable(Shapes.Pixels(30));
        var pipeline = MLContext.Transforms.Conversion.MapValueToKey("Label")
            .Append(MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(Fitted.QuickOptions()))
            .Append(MLContext.Transforms.Conversion.MapKeyToValue("PredictedLabel"));
        using var model = pipeline.Fit(data);
        using var stream = new MemoryStream();

        var e = Assert.Throws<NotSupportedException>(() => MLContext.Model.ConvertToOnnx(model, data, stream));

        Assert.Contains("ONNX", e.Message);
        Assert.AreEqual(0, stream.Length);
    }
}
