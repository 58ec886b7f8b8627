using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class TransformerTests
{
    private static readonly MLContext MLContext = new(1);
    private static SharpnessAwareImageClassificationTransformer _model = null!;

    [ClassInitialize]
    public static void Train(TestContext _) => _model = Fitted.Model(MLContext, Fitted.View(MLContext, Shapes.Pixels(60)));

    [ClassCleanup]
    public static void Free() => _model.Dispose();

    [TestMethod]
    [DataRow(1)]
    [DataRow(127)]
    [DataRow(128)]
    [DataRow(129)]
    [DataRow(300)]
    public void BatchesGiveWhatRowByRowScoringGives(int rows)
    {
        List<PixelRow> pixels = Shapes.Pixels(rows, seed: 3);
        var engine = MLContext.Model.CreatePredictionEngine<PixelRow, ScoredRow>(_model);

        ScoredRow[] batched = [.. MLContext.Data.CreateEnumerable<ScoredRow>(
            _model.Transform(MLContext.Data.LoadFromEnumerable(pixels)), reuseRowObject: false)];

        Assert.HasCount(rows, batched);
        for (int i = 0; i < rows; i++)
        {
            ScoredRow single = engine.Predict(pixels[i]);
            Assert.AreEqual(i, batched[i].Number);
            Assert.AreEqual(single.PredictedLabel, batched[i].PredictedLabel);
            for (int k = 0; k < 3; k++)
                Assert.AreEqual(single.Score[k], batched[i].Score[k], 1e-5f);
        }
    }

    [TestMethod]
    public void TransformIsLazyAndPassThroughColumnsDoNotReadImages()
    {
        int read = 0;
        IEnumerable<PixelRow> Counted()
        {
            foreach (PixelRow row in Shapes.Pixels(10))
            {
                read++;
                yield return row;
            }
        }
        IDataView scored = _model.Transform(MLContext.Data.LoadFromEnumerable(Counted()));
        Assert.AreEqual(0, read);

        List<PixelRow> broken = Shapes.Pixels(3);
        foreach (PixelRow row in broken)
            row.Image = [1];
        int[] numbers = [.. _model.Transform(MLContext.Data.LoadFromEnumerable(broken)).GetColumn<int>("Number")];
        CollectionAssert.AreEqual(new[] { 0, 1, 2 }, numbers);
        Assert.IsNotNull(scored);
    }

    [TestMethod]
    public void SlotNamesAndKeyValuesAreTheClassNames()
    {
        DataViewSchema schema = _model.GetOutputSchema(Fitted.View(MLContext, Shapes.Pixels(3)).Schema);
        VBuffer<ReadOnlyMemory<char>> slots = default, keys = default;
        schema["Score"].GetSlotNames(ref slots);
        schema["PredictedLabel"].GetKeyValues(ref keys);

        CollectionAssert.AreEqual(Shapes.Names, slots.DenseValues().Select(name => name.ToString()).ToArray());
        CollectionAssert.AreEqual(Shapes.Names, keys.DenseValues().Select(name => name.ToString()).ToArray());
        CollectionAssert.AreEqual(Shapes.Names, _model.ClassNames.ToArray());
    }

    [TestMethod]
    public void ItFitsIntoAPipelineWithEvaluateAndMapKeyToValue()
    {
        var pipeline = MLContext.Transforms.Conversion.MapValueToKey("Label")
            .Append(MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(Fitted.QuickOptions()))
            .Append(MLContext.Transforms.Conversion.MapKeyToValue("PredictedLabel"));
        IDataView data = MLContext.Data.LoadFromEnumerable(Shapes.Pixels(90));
        var model = pipeline.Fit(data);

        MulticlassClassificationMetrics metrics = MLContext.MulticlassClassification.Evaluate(
            model.Transform(data), predictedLabelColumnName: "PredictedLabel");
        NamedRow named = MLContext.Model.CreatePredictionEngine<PixelRow, NamedRow>(model).Predict(Shapes.Pixels(1)[0]);

        Assert.HasCount(3, metrics.PerClassLogLoss);
        CollectionAssert.Contains(Shapes.Names, named.PredictedLabel);
        model.Dispose();
    }

    [TestMethod]
    public void ItCrossValidates()
    {
        IDataView data = Fitted.View(MLContext, Shapes.Pixels(90));
        var trainer = MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(Fitted.QuickOptions());

        var folds = MLContext.MulticlassClassification.CrossValidate(data, trainer, numberOfFolds: 3);

        Assert.HasCount(3, folds);
        foreach (var fold in folds)
            Assert.IsTrue(fold.Metrics.LogLoss > 0 && double.IsFinite(fold.Metrics.LogLoss));
    }

    [TestMethod]
    public void EveryKindOfColumnOfAnotherDataSetCanBeScored()
    {
        using var model = Fitted.Model(MLContext, Fitted.View(MLContext, Shapes.Encoded(30)), options =>
        {
            options.Epoch = 1;
            options.ImageWidth = options.ImageHeight = Shapes.Size;
        });
        float[][] fromFiles = Fitted.Scores(MLContext, model.Transform(MLContext.Data.LoadFromEnumerable(Shapes.Encoded(5, seed: 2))));
        float[][] fromImages = Fitted.Scores(MLContext, model.Transform(MLContext.Data.LoadFromEnumerable(Shapes.Encoded(5, seed: 2)
            .Select(row =>
            {
                using var stream = new MemoryStream(row.Image);
                return new ImageRow { Image = MLImage.CreateFromStream(stream) };
            }))));

        for (int i = 0; i < 5; i++)
            CollectionAssert.AreEqual(fromFiles[i], fromImages[i]);
    }

    [TestMethod]
    public void DisposeIsIdempotentAndUseAfterItSaysSo()
    {
        IDataView data = MLContext.Data.LoadFromEnumerable(Shapes.Pixels(3));
        SharpnessAwareImageClassificationTransformer one = _model.WithTemperature(2);
        IDataView view = one.Transform(data);
        one.Dispose();
        one.Dispose();

        Assert.ThrowsExactly<ObjectDisposedException>(() => one.Transform(data));
        Assert.ThrowsExactly<ObjectDisposedException>(() => Fitted.Scores(MLContext, view));
        Assert.ThrowsExactly<ObjectDisposedException>(() => MLContext.Model.Save(one, data.Schema, new MemoryStream()));
        Assert.HasCount(3, Fitted.Scores(MLContext, _model.Transform(data)));
    }

    [TestMethod]
    public void OnTheDeviceWhereItIsAModelSharesItsNetworkAndElsewhereItHasACopy()
    {
        IDataView data = MLContext.Data.LoadFromEnumerable(Shapes.Pixels(5));
        float[][] expected = Fitted.Scores(MLContext, _model.Transform(data));
        SharpnessAwareImageClassificationTransformer first = _model.WithTemperature(_model.Temperature);
        using SharpnessAwareImageClassificationTransformer same = first.WithDevice("cpu");
        using SharpnessAwareImageClassificationTransformer copy = new(
            MLContext, ClassifierCopy.Of(first.Classifier, TorchSharp.torch.CPU, TorchRandom.Isolated), first.Description);
        first.Dispose();

        Assert.AreSame(_model.Classifier, same.Classifier);
        Assert.AreNotSame(_model.Classifier.Network, copy.Classifier.Network);
        foreach (SharpnessAwareImageClassificationTransformer each in new[] { same, copy })
        {
            float[][] actual = Fitted.Scores(MLContext, each.Transform(data));
            for (int i = 0; i < expected.Length; i++)
                CollectionAssert.AreEqual(expected[i], actual[i]);
            CollectionAssert.AreEqual(_model.ClassNames.ToArray(), each.ClassNames.ToArray());
        }
        Assert.ThrowsExactly<ObjectDisposedException>(() => first.WithDevice("cpu"));
        Assert.AreEqual("device", Assert.ThrowsExactly<ArgumentException>(() => same.WithDevice("gpu")).ParamName);
        StringAssert.Contains(
            Assert.ThrowsExactly<InvalidOperationException>(() => same.WithDevice("cuda:99")).Message, "Device is 'cuda:99'");
    }

    [TestMethod]
    public void ManyThreadsScoreAsOneDoes()
    {
        List<PixelRow> pixels = Shapes.Pixels(200, seed: 8);
        float[][] expected = Fitted.Scores(MLContext, _model.Transform(MLContext.Data.LoadFromEnumerable(pixels)));

        Parallel.For(0, 8, _ =>
        {
            float[][] actual = Fitted.Scores(MLContext, _model.Transform(MLContext.Data.LoadFromEnumerable(pixels)));
            for (int i = 0; i < expected.Length; i++)
                CollectionAssert.AreEqual(expected[i], actual[i]);
        });
    }

    [TestMethod]
    public void ATemperatureMustBePositiveAndFinite()
    {
        foreach (double temperature in new[] { 0, -1, double.NaN, double.PositiveInfinity })
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => _model.WithTemperature(temperature));
    }

    /// <summary>As ML.NET's scorers have it: a missing key, and NaN or an empty text for the value behind it.</summary>
    [TestMethod]
    public void ARowWhoseScoresAreNotNumbersHasNoPredictedLabel()
    {
        List<FloatRow> rows = Shapes.Floats(30);
        using SharpnessAwareImageClassificationTransformer model = Fitted.Model(MLContext, Fitted.View(MLContext, rows));
        Array.Fill(rows[1].Image, 1e38f);
        IDataView scored = model.Transform(Fitted.View(MLContext, rows));
        IDataView named = MLContext.Transforms.Conversion.MapKeyToValue("PredictedLabel").Fit(scored).Transform(scored);
        var engine = MLContext.Model.CreatePredictionEngine<FloatRow, ScoredRow>(
            model, new PredictionEngineOptions { OwnsTransformer = false });

        Assert.IsTrue(scored.GetColumn<float[]>("Score").ElementAt(1).All(float.IsNaN));
        uint[] keys = [.. scored.GetColumn<uint>("PredictedLabel")];
        Assert.AreEqual(0u, keys[1]);
        Assert.AreEqual(1, keys.Count(key => key == 0));
        Assert.AreEqual("", named.GetColumn<string>("PredictedLabel").ElementAt(1));
        Assert.AreEqual(0u, engine.Predict(rows[1]).PredictedLabel);
    }

    private sealed class ImageRow
    {
        [Transforms.Image.ImageType(Shapes.Size, Shapes.Size)]
        public MLImage Image { get; set; } = null!;
    }
}
