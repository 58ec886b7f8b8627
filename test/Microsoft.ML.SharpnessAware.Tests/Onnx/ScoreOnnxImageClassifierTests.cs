using Microsoft.ML.Data;
using SkiaSharp;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>A saved model in ONNX Runtime against the trained one: the same columns with the same values.</summary>
[TestClass]
public sealed partial class ScoreOnnxImageClassifierTests
{
    private const float Tolerance = 1e-5f;

    private readonly MLContext _mlContext = new(1);

    [TestMethod]
    [DataRow("pixels")]
    [DataRow("encoded")]
    [DataRow("floats")]
    [DataRow("numbers as labels")]
    [DataRow("dates as labels")]
    [DataRow("universal times as labels")]
    [DataRow("keys without values")]
    [DataRow("keys as values")]
    public void TheColumnsAreThoseOfTheTrainedModelAndPromisesAreKept(string kind)
    {
        IDataView data = Data(kind);
        using var folder = new TemporaryFolder();
        using SharpnessAwareImageClassificationTransformer trained = Train(data);
        trained.SaveOnnx(folder.File("model.onnx"));
        IEstimator<OnnxImageClassifierTransformer> estimator = _mlContext.Transforms.ScoreOnnxImageClassifier(folder.File("model.onnx"));
        IDataView unusable = Fitted.View(
            _mlContext, Shapes.Pixels(6).Select(row => new WrongRow { Label = row.Label, Image = row.Number }));

        EstimatorConformance.Check(_mlContext, estimator, data, unusable);
        using OnnxImageClassifierTransformer model = estimator.Fit(data);
        AssertSameColumns(trained.Transform(data), model.Transform(data));
        Assert.AreEqual(trained.Temperature, model.Temperature);
        Assert.AreEqual(trained.Architecture, model.Architecture);
        CollectionAssert.AreEqual(trained.ClassNames.ToArray(), model.ClassNames.ToArray());
    }

    [TestMethod]
    [DataRow(OnnxPixelOrder.ChannelsFirst, OnnxPixelType.Float, false, ResizingKind.Fill)]
    [DataRow(OnnxPixelOrder.ChannelsLast, OnnxPixelType.AsTrained, false, ResizingKind.IsoCrop)]
    [DataRow(OnnxPixelOrder.ChannelsLast, OnnxPixelType.Float, false, ResizingKind.IsoPad)]
    [DataRow(OnnxPixelOrder.ChannelsLast, OnnxPixelType.AsTrained, true, ResizingKind.IsoCrop)]
    [DataRow(OnnxPixelOrder.ChannelsFirst, OnnxPixelType.AsTrained, true, ResizingKind.Fill)]
    public void EveryWayToSaveAModelGivesItsScores(OnnxPixelOrder order, OnnxPixelType type, bool resize, ResizingKind resizing)
    {
        using var folder = new TemporaryFolder();
        IDataView data = Photographs();
        using SharpnessAwareImageClassificationTransformer trained = Train(data, options =>
        {
            (options.ImageWidth, options.ImageHeight, options.Resizing) = (20, 14, resizing);
        });
        trained.SaveOnnx(folder.File("model.onnx"), new OnnxExportOptions { PixelOrder = order, PixelType = type, Resize = resize });

        using OnnxImageClassifierTransformer model = _mlContext.Transforms.ScoreOnnxImageClassifier(folder.File("model.onnx")).Fit(data);

        AssertSameColumns(trained.Transform(data), model.Transform(data));
    }

    [TestMethod]
    public void ImagesMayBeFilesMLImagesOrPixelsUnderAnyName()
    {
        using var folder = new TemporaryFolder();
        List<EncodedRow> rows = Shapes.Encoded(24);
        IDataView data = _mlContext.Data.LoadFromEnumerable(rows);
        IDataView all = _mlContext.Transforms.DecodeImages("Decoded", "Image")
            .Append(_mlContext.Transforms.ResizeImages("Decoded", Shapes.Size, Shapes.Size))
            .Append(_mlContext.Transforms.ExtractPixels("Pixels", "Decoded", outputAsFloatArray: false)).Fit(data).Transform(data);
        using SharpnessAwareImageClassificationTransformer trained = Train(Fitted.Keys(_mlContext, data),
            options => options.ImageWidth = options.ImageHeight = Shapes.Size);
        trained.SaveOnnx(folder.File("model.onnx"));
        float[][] expected = Fitted.Scores(_mlContext, trained.Transform(data));
        foreach (string column in new[] { "Image", "Decoded" })
        {
            using OnnxImageClassifierTransformer model = _mlContext.Transforms
                .ScoreOnnxImageClassifier(folder.File("model.onnx"), column, "Probability", "Class").Fit(all);
            IDataView scored = model.Transform(all);
            AssertSame(expected, [.. scored.GetColumn<float[]>("Probability")]);
            Assert.IsInstanceOfType<KeyDataViewType>(scored.Schema["Class"].Type);
        }
    }

    [TestMethod]
    public void CalibratorsAndDecisionsFollowAndAreSavedInOneFileWithTheModel()
    {
        using var folder = new TemporaryFolder();
        IDataView data = Fitted.View(_mlContext, Shapes.Encoded(120));
        using SharpnessAwareImageClassificationTransformer trained = Train(data, options => options.ImageWidth = 12);
        trained.SaveOnnx(folder.File("model.onnx"));
        TransformerChain<ITransformer> steps = _mlContext.MulticlassClassification.Calibrators.Temperature()
            // Adaptive sets are random by the last bits of the scores.
            .Append(_mlContext.MulticlassClassification.Decisions.PredictionSets(0.9, PredictionSetScore.LeastAmbiguous))
            .Append((IEstimator<ITransformer>)_mlContext.Transforms.Conversion.MapKeyToValue("PredictedLabel"))
            .Fit(trained.Transform(data));
        using OnnxImageClassifierTransformer model = _mlContext.Transforms.ScoreOnnxImageClassifier(folder.File("model.onnx")).Fit(data);

        _mlContext.Model.Save(model.Append(steps), data.Schema, folder.File("pipeline.zip"));
        File.Delete(folder.File("model.onnx"));
        ITransformer loaded = new MLContext().Model.Load(folder.File("pipeline.zip"), out _);

        IDataView expected = steps.Transform(trained.Transform(data)), actual = loaded.Transform(data);
        AssertSame([.. expected.GetColumn<float[]>("Score")], [.. actual.GetColumn<float[]>("Score")]);
        AreEqual(Names(expected), Names(actual));
        AreEqual(Sets(expected), Sets(actual));
        (loaded as IDisposable)?.Dispose();
    }

    [TestMethod]
    public void CalibratorsInTheFileAreScoredWithIt()
    {
        using var folder = new TemporaryFolder();
        IDataView data = _mlContext.Data.LoadFromEnumerable(Shapes.Pixels(120));
        using var chain = _mlContext.Transforms.Conversion.MapValueToKey("Label")
            .Append(_mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(Fitted.QuickOptions()))
            .Append(_mlContext.MulticlassClassification.Calibrators.Isotonic()).Fit(data);
        chain.SaveOnnx(folder.File("model.onnx"));

        using OnnxImageClassifierTransformer model = _mlContext.Transforms.ScoreOnnxImageClassifier(folder.File("model.onnx")).Fit(data);

        AssertSameColumns(chain.Transform(data), model.Transform(data));
    }

    [TestMethod]
    public async Task ManyPredictionEnginesUseOneModel()
    {
        using var folder = new TemporaryFolder();
        List<EncodedRow> rows = Shapes.Encoded(48);
        IDataView data = _mlContext.Data.LoadFromEnumerable(rows);
        using SharpnessAwareImageClassificationTransformer trained =
            Train(Fitted.Keys(_mlContext, data), options => options.ImageWidth = 12);
        trained.SaveOnnx(folder.File("model.onnx"));
        float[][] expected = Fitted.Scores(_mlContext, trained.Transform(data));
        using OnnxImageClassifierTransformer model = _mlContext.Transforms.ScoreOnnxImageClassifier(folder.File("model.onnx"),
            configureSession: options => options.IntraOpNumThreads = 1).Fit(data);

        float[][] actual = await Task.WhenAll(rows.Select(row => Task.Run(() =>
        {
            using PredictionEngine<EncodedRow, ScoredRow> engine = _mlContext.Model.CreatePredictionEngine<EncodedRow, ScoredRow>(
                model, new PredictionEngineOptions { OwnsTransformer = false });
            return engine.Predict(row).Score;
        })));

        AssertSame(expected, actual);
    }

    [TestMethod]
    public async Task DisposeWaitsForWhoeverScores()
    {
        using var folder = new TemporaryFolder();
        IDataView data = Fitted.View(_mlContext, Shapes.Pixels(300));
        using SharpnessAwareImageClassificationTransformer trained = Train(data);
        trained.SaveOnnx(folder.File("model.onnx"));
        for (int round = 0; round < 10; round++)
        {
            OnnxImageClassifierTransformer model = _mlContext.Transforms.ScoreOnnxImageClassifier(folder.File("model.onnx")).Fit(data);
            Task scoring = Task.Run(() => Assert.Throws<ObjectDisposedException>(() =>
            {
                while (true)
                    Fitted.Scores(_mlContext, model.Transform(data));
            }));
            await Task.Delay(round);
            model.Dispose();
            model.Dispose();
            await scoring;
            Assert.Throws<ObjectDisposedException>(() => model.Transform(data));
            Assert.Throws<ObjectDisposedException>(() => _mlContext.Model.Save(model, data.Schema, folder.File("x.zip")));
        }
    }

    [TestMethod]
    [DataRow(OnnxPixelOrder.ChannelsFirst, OnnxPixelType.AsTrained)]
    [DataRow(OnnxPixelOrder.ChannelsLast, OnnxPixelType.Float)]
    public void FullBatchesAreSharedOutAmongProcessors(OnnxPixelOrder order, OnnxPixelType type)
    {
        using var folder = new TemporaryFolder();
        IDataView data = Fitted.View(_mlContext, Shapes.Pixels(600));
        using SharpnessAwareImageClassificationTransformer trained = Train(data);
        trained.SaveOnnx(folder.File("model.onnx"), new OnnxExportOptions { PixelOrder = order, PixelType = type });
        var estimator = _mlContext.Transforms.ScoreOnnxImageClassifier(folder.File("model.onnx"));
        var plain = _mlContext.Transforms.ScoreOnnxImageClassifier(folder.File("model.onnx"), configureSession: _ => { });
        using OnnxImageClassifierTransformer model = estimator.Fit(data), oneSession = plain.Fit(data);

        AssertSameColumns(trained.Transform(data), model.Transform(data));
        AssertSameColumns(trained.Transform(data), oneSession.Transform(data));
    }

    [TestMethod]
    public void ABadImageThrowsInItsOwnRowAsInTheTrainedModel()
    {
        using var folder = new TemporaryFolder();
        List<EncodedRow> rows = Shapes.Encoded(9);
        using SharpnessAwareImageClassificationTransformer trained =
            Train(Fitted.View(_mlContext, rows), options => options.ImageWidth = 12);
        trained.SaveOnnx(folder.File("model.onnx"));
        rows[4].Image = [1, 2, 3];
        IDataView data = _mlContext.Data.LoadFromEnumerable(rows);
        using OnnxImageClassifierTransformer model = _mlContext.Transforms.ScoreOnnxImageClassifier(folder.File("model.onnx")).Fit(data);

        (float[][] expected, string[] expectedErrors) = ScoresAndErrors(trained.Transform(data));
        (float[][] actual, string[] errors) = ScoresAndErrors(model.Transform(data));

        Assert.HasCount(1, errors);
        Assert.Contains("row 4", errors[0]);
        CollectionAssert.AreEqual(expectedErrors, errors);
        AssertSame(expected, actual);
    }

    [TestMethod]
    public void ARowWhoseScoresAreNotNumbersHasNoPredictedLabel()
    {
        using var folder = new TemporaryFolder();
        List<FloatRow> rows = Shapes.Floats(30);
        using SharpnessAwareImageClassificationTransformer trained = Train(Fitted.View(_mlContext, rows));
        trained.SaveOnnx(folder.File("model.onnx"));
        Array.Fill(rows[1].Image, 1e38f);
        IDataView data = Fitted.View(_mlContext, rows);
        using OnnxImageClassifierTransformer model = _mlContext.Transforms.ScoreOnnxImageClassifier(folder.File("model.onnx")).Fit(data);

        Assert.AreEqual(0u, model.Transform(data).GetColumn<uint>("PredictedLabel").ElementAt(1));
        AssertSameColumns(trained.Transform(data), model.Transform(data));
    }

    [TestMethod]
    [DataRow("PredictedLabel", null, "both 'PredictedLabel'")]
    [DataRow("Same", "Same", "both 'Same'")]
    [DataRow("PredictionSetSize", null, "a column 'PredictionSetSize'")]
    [DataRow(null, "PredictionSet", "a column 'PredictionSet'")]
    public void TwoColumnsOfOneNameAreRefused(string? score, string? predictedLabel, string words)
    {
        using var folder = new TemporaryFolder();
        IDataView data = Fitted.View(_mlContext, Shapes.Pixels(30));
        using SharpnessAwareImageClassificationTransformer trained = Train(data);
        trained.Append(_mlContext.MulticlassClassification.Decisions.PredictionSets(0.9, PredictionSetScore.LeastAmbiguous)
            .Fit(trained.Transform(data))).SaveOnnx(folder.File("model.onnx"));

        Assert.Contains(words, Assert.ThrowsExactly<ArgumentException>(() => _mlContext.Transforms.ScoreOnnxImageClassifier(
            folder.File("model.onnx"), scoreColumnName: score, predictedLabelColumnName: predictedLabel)).Message);
    }

    [TestMethod]
    public void ConvertToOnnxSaysThatItIsOne()
    {
        using var folder = new TemporaryFolder();
        IDataView data = Fitted.View(_mlContext, Shapes.Pixels(30));
        using SharpnessAwareImageClassificationTransformer trained = Train(data);
        trained.SaveOnnx(folder.File("model.onnx"));
        using OnnxImageClassifierTransformer model = _mlContext.Transforms.ScoreOnnxImageClassifier(folder.File("model.onnx")).Fit(data);
        using var stream = new MemoryStream();

        Exception e = Assert.Throws<Exception>(() => _mlContext.Model.ConvertToOnnx(model, data, stream));

        Assert.Contains("is an ONNX file already", e.GetBaseException().Message);
    }

    [TestMethod]
    public void SomebodyElsesFileIsToldWithItsInputsAndOutputs()
    {
        string path = OnnxFile.Preprocessing;

        string message = Assert.Throws<InvalidDataException>(() => _mlContext.Transforms.ScoreOnnxImageClassifier(path)).Message;

        foreach (string part in new[]
            { path, "was not written by SaveOnnx", "'mlsharpness_format'", "It takes '", "(Float [", " and gives '",
            "ApplyOnnxModel" })
            Assert.Contains(part, message);
    }

    [TestMethod]
    public void AFileThatIsNoneOrCutShortIsRefusedWithItsName()
    {
        using var folder = new TemporaryFolder();
        using SharpnessAwareImageClassificationTransformer trained = Train(Fitted.View(_mlContext, Shapes.Pixels(30)));
        string path = folder.File("model.onnx");
        trained.SaveOnnx(path);
        byte[] whole = File.ReadAllBytes(path);
        foreach (byte[] file in new[] { [], [1, 2, 3], whole[..(whole.Length / 2)], whole[..100], "This is a text."u8.ToArray() })
        {
            File.WriteAllBytes(path, file);
            Assert.Contains(path, Assert.Throws<InvalidDataException>(() => _mlContext.Transforms.ScoreOnnxImageClassifier(path)).Message);
        }

        Assert.Contains("folder", Assert.Throws<IOException>(() => _mlContext.Transforms.ScoreOnnxImageClassifier(folder.Path)).Message);
        string missing = folder.File("missing.onnx");
        Assert.Contains(missing,
            Assert.Throws<FileNotFoundException>(() => _mlContext.Transforms.ScoreOnnxImageClassifier(missing)).Message);
        Assert.Throws<ArgumentException>(() => _mlContext.Transforms.ScoreOnnxImageClassifier(""));
        Assert.Throws<ArgumentException>(() => _mlContext.Transforms.ScoreOnnxImageClassifier(path, scoreColumnName: " "));
    }

    private static void AreEqual(string[] expected, string[] actual) =>
        Assert.AreEqual(string.Join(Environment.NewLine, expected), string.Join(Environment.NewLine, actual));

    private static string[] Names(IDataView scored) => [.. scored.GetColumn<string>("PredictedLabel")];

    private static string[] Sets(IDataView scored) =>
        [.. scored.GetColumn<uint[]>("PredictionSet").Select(set => string.Join(' ', set))];

    private (float[][] Scores, string[] Errors) ScoresAndErrors(IDataView scored)
    {
        List<float[]> scores = [];
        List<string> errors = [];
        using DataViewRowCursor cursor = scored.GetRowCursor([scored.Schema["Score"]]);
        ValueGetter<VBuffer<float>> getter = cursor.GetGetter<VBuffer<float>>(scored.Schema["Score"]);
        VBuffer<float> row = default;
        while (cursor.MoveNext())
        {
            try
            {
                getter(ref row);
                scores.Add([.. row.DenseValues()]);
            }
            catch (InvalidOperationException e)
            {
                errors.Add(e.Message);
            }
        }

        return ([.. scores], [.. errors]);
    }

    private SharpnessAwareImageClassificationTransformer Train(
        IDataView data, Action<SharpnessAwareImageClassificationTrainer.Options>? change = null) =>
        Fitted.Model(_mlContext, data, options =>
        {
            options.Epoch = 1;
            change?.Invoke(options);
        });

    private IDataView Data(string kind) => kind switch
    {
        "pixels" => Fitted.View(_mlContext, Shapes.Pixels(40)),
        "encoded" => Fitted.View(_mlContext, Shapes.Encoded(40)),
        "floats" => Fitted.View(_mlContext, Shapes.Floats(40)),
        "numbers as labels" => Fitted.View(_mlContext, Shapes.Pixels(40)
            .Select(row => new TypedRow<int> { Label = row.Number % 3, Image = row.Image })),
        "dates as labels" => Fitted.View(_mlContext, Shapes.Pixels(40)
            .Select(row => new TypedRow<DateTime> { Label = new DateTime(2024, 2, 1 + (row.Number % 3)), Image = row.Image })),
        "universal times as labels" => Fitted.View(_mlContext, Shapes.Pixels(40).Select(row => new TypedRow<DateTime>
        {
            Label = new DateTime(2024, 2, 1, 13, row.Number % 3, 0, DateTimeKind.Utc), Image = row.Image,
        })),
        "keys as values" => Fitted.Keys(_mlContext, Keyed()),
        _ => Keyed(),
    };

    private IDataView Keyed() => _mlContext.Data.LoadFromEnumerable(Shapes.Pixels(40)
        .Select(row => new KeyedRow { Label = (uint)row.Number % 3, Image = row.Image }));

    /// <summary>Files of many sizes, one of them to be turned.</summary>
    private IDataView Photographs()
    {
        byte[] stored = TestImages.Encode(40, 30, (x, y) => new SKColor((byte)(6 * x), (byte)(8 * y), 90), SKEncodedImageFormat.Jpeg);
        return Fitted.View(_mlContext, Enumerable.Range(0, 12).Select(i => new EncodedRow
        {
            Label = Shapes.Names[i % 3],
            Image = i == 0 ? TestImages.WithOrientation(stored, 6)
                : TestImages.Encode(11 + (7 * i), 60 - (3 * i), (x, y) => new SKColor((byte)(i * x), (byte)(5 * y), (byte)(x * y))),
        }));
    }

    /// <summary>Names, types, annotations and values of Score and PredictedLabel.</summary>
    private static void AssertSameColumns(IDataView expected, IDataView actual)
    {
        AssertSame([.. expected.GetColumn<float[]>("Score")], [.. actual.GetColumn<float[]>("Score")]);
        CollectionAssert.AreEqual(expected.GetColumn<uint>("PredictedLabel").ToArray(), actual.GetColumn<uint>("PredictedLabel").ToArray());
        foreach (string column in new[] { "Score", "PredictedLabel" })
        {
            (DataViewSchema.Column one, DataViewSchema.Column other) = (expected.Schema[column], actual.Schema[column]);
            Assert.AreEqual(one.Type, other.Type);
            string[] annotations = [.. one.Annotations.Schema.Select(annotation => annotation.Name)];
            CollectionAssert.AreEquivalent(annotations, other.Annotations.Schema.Select(annotation => annotation.Name).ToArray());
            foreach (string annotation in annotations.Where(name => name != "ScoreColumnSetId"))
            {
                Assert.AreEqual(one.Annotations.Schema[annotation].Type, other.Annotations.Schema[annotation].Type);
                Assert.AreEqual(Value(one, annotation), Value(other, annotation));
            }
        }
    }

    private static string Value(DataViewSchema.Column column, string annotation)
    {
        if (column.Annotations.Schema[annotation].Type is not VectorDataViewType type)
        {
            ReadOnlyMemory<char> text = default;
            column.Annotations.GetValue(annotation, ref text);
            return text.ToString();
        }

        return type.ItemType.RawType == typeof(DateTime) ? Read<DateTime>() : type.ItemType.RawType == typeof(int) ? Read<int>()
            : type.ItemType.RawType == typeof(uint) ? Read<uint>() : Read<ReadOnlyMemory<char>>();

        string Read<T>()
        {
            VBuffer<T> values = default;
            column.Annotations.GetValue(annotation, ref values);
            return string.Join(", ", values.DenseValues());
        }
    }

    private static void AssertSame(float[][] expected, float[][] actual)
    {
        Assert.HasCount(expected.Length, actual);
        for (int row = 0; row < expected.Length; row++)
        {
            for (int k = 0; k < expected[row].Length; k++)
                Assert.AreEqual(expected[row][k], actual[row][k], Tolerance, $"row {row}, class {k}");
        }
    }

    private sealed class TypedRow<T>
    {
        public T Label { get; set; } = default!;

        [VectorType(1, Shapes.Size, Shapes.Size)]
        public byte[] Image { get; set; } = [];
    }

    private sealed class KeyedRow
    {
        [KeyType(3)]
        public uint Label { get; set; }

        [VectorType(1, Shapes.Size, Shapes.Size)]
        public byte[] Image { get; set; } = [];
    }

    private sealed class WrongRow
    {
        public string Label { get; set; } = "";

        public int Image { get; set; }
    }
}
