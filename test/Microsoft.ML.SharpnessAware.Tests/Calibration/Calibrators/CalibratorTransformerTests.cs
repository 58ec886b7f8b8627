using System.Runtime.InteropServices;
using Microsoft.ML.Data;
using Microsoft.ML.Trainers.LightGbm;
using static Microsoft.ML.SharpnessAware.Tests.Calibration.CalibratorFits;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class CalibratorTransformerTests
{
    [TestMethod]
    [EachCalibrator]
    public void ScoreIsWhatTheCalibratorGivesAndPredictedLabelItsLargest(string kind)
    {
        ScoredRows rows = ScoredRows.Confused(80);
        IDataView data = rows.View(Context, predictedLabel: true);
        MulticlassCalibratorTransformer transformer = Estimator(kind).Fit(data);
        IDataView calibrated = transformer.Transform(data);

        float[][] expected = rows.After(transformer.Calibrator), scores = Scores(calibrated);
        uint[] keys = [.. calibrated.GetColumn<uint>("PredictedLabel")];
        for (int row = 0; row < rows.Count; row++)
        {
            CollectionAssert.AreEqual(expected[row], scores[row]);
            Assert.AreEqual((uint)Array.IndexOf(scores[row], scores[row].Max()) + 1, keys[row]);
        }

        Assert.AreEqual(kind != "Temperature", keys.Zip(data.GetColumn<uint>("PredictedLabel")).Any(pair => pair.First != pair.Second));
    }

    [TestMethod]
    [DataRow("Temperature")]
    [DataRow("Vector")]
    public void AnnotationsOfTheColumnsAreKept(string kind)
    {
        IDataView scored = Examples.Scored(Context, 60);
        DataViewSchema before = scored.Schema, after = Estimator(kind).Fit(scored).GetOutputSchema(before);
        foreach (string column in new[] { "Score", "PredictedLabel" })
        {
            Assert.AreEqual(before[column].Type, after[column].Type);
            CollectionAssert.AreEqual(
                before[column].Annotations.Schema.Select(a => a.Name).ToArray(), after[column].Annotations.Schema.Select(a => a.Name)
                    .ToArray());
        }

        VBuffer<ReadOnlyMemory<char>> slots = default, keys = default;
        after["Score"].GetSlotNames(ref slots);
        after["PredictedLabel"].GetKeyValues(ref keys);
        string[] names = [.. Examples.Names.Order()];
        CollectionAssert.AreEqual(names, slots.DenseValues().Select(name => name.ToString()).ToArray());
        CollectionAssert.AreEqual(names, keys.DenseValues().Select(name => name.ToString()).ToArray());
        Assert.IsNotNull(Context.MulticlassClassification.Evaluate(Estimator(kind).Fit(scored).Transform(scored)));
    }

    [TestMethod]
    [DataRow("Temperature")]
    [DataRow("Vector")]
    public void AMissingPredictedLabelIsAddedWithTheNamesOfTheClasses(string kind)
    {
        ScoredRows rows = ScoredRows.Confused(30);
        foreach (bool names in new[] { true, false })
        {
            IDataView calibrated = Estimator(kind).Fit(rows.View(Context, names)).Transform(rows.View(Context, names));
            DataViewSchema.Column column = calibrated.Schema["PredictedLabel"];
            Assert.AreEqual(new KeyDataViewType(typeof(uint), 3), column.Type);
            Assert.AreEqual(names, column.HasKeyValues());
            float[] first = Scores(calibrated)[0];
            Assert.AreEqual((uint)Array.IndexOf(first, first.Max()) + 1, calibrated.GetColumn<uint>("PredictedLabel").First());
            if (!names)
                continue;
            string[] texts = [.. Context.Transforms.Conversion.MapKeyToValue("PredictedLabel").Fit(calibrated).Transform(calibrated)
                .GetColumn<string>("PredictedLabel").Distinct()];
            CollectionAssert.IsSubsetOf(texts, new[] { "c0", "c1", "c2" });
        }
    }

    /// <summary>The scores do not name the classes here; the label of the validation data did.</summary>
    [TestMethod]
    public void NamesOfTheLabelAreRememberedAlsoInTheFile()
    {
        ScoredRows rows = ScoredRows.Confused(30);
        IDataView named = rows.View(Context, names: true), unnamed = Context.Transforms.DropColumns("PredictedLabel", "Label")
            .Fit(rows.View(Context, predictedLabel: true)).Transform(rows.View(Context, predictedLabel: true));
        ITransformer loaded = SaveAndLoad(Estimator("Vector").Fit(named), unnamed.Schema);
        VBuffer<ReadOnlyMemory<char>> keys = default;
        loaded.Transform(unnamed).Schema["PredictedLabel"].GetKeyValues(ref keys);
        CollectionAssert.AreEqual(new[] { "c0", "c1", "c2" }, keys.DenseValues().Select(name => name.ToString()).ToArray());
    }

    [TestMethod]
    public void APredictedLabelThatIsNeitherKeyNorClassIsLeftByTemperatureAndRefusedByOthers()
    {
        IDataView scored = Examples.Scored(Context, 60);
        IDataView texts = Context.Transforms.CopyColumns("PredictedLabel", "Number").Fit(scored).Transform(scored);

        IDataView calibrated = Estimator("Temperature").Fit(texts).Transform(texts);
        CollectionAssert.AreEqual(texts.GetColumn<int>("PredictedLabel").ToArray(), calibrated.GetColumn<int>("PredictedLabel").ToArray());

        foreach (Action action in new Action[]
        {
            () => Estimator("Vector").Fit(texts),
            () => Estimator("Vector").GetOutputSchema(SchemaShape.Create(texts.Schema)),
            () => Estimator("Vector").Fit(scored).Transform(texts),
        })
        {
            string message = Assert.ThrowsExactly<ArgumentOutOfRangeException>(action).Message;
            StringAssert.Contains(message, "'PredictedLabel'");
            StringAssert.Contains(message, "expected a key, as trainers give it");
        }
    }

    [TestMethod]
    public void KeysOfEveryWidthAreWritten()
    {
        Check<byte>();
        Check<ushort>();
        Check<ulong>();

        static void Check<T>()
            where T : struct
        {
            ScoredRows rows = ScoredRows.Confused(20);
            var builder = new ArrayDataViewBuilder(Context);
            builder.AddColumn("Label", new KeyDataViewType(typeof(uint), 3), [.. rows.Labels.Select(label => (uint)label + 1)]);
            builder.AddColumn("Score", NumberDataViewType.Single, [.. Enumerable.Range(0, rows.Count).Select(rows.Row)]);
            builder.AddColumn("PredictedLabel", new KeyDataViewType(typeof(T), 3), new T[rows.Count]);
            IDataView calibrated = Estimator("Dirichlet").Fit(builder.GetDataView()).Transform(builder.GetDataView());
            ulong[] expected = [.. Scores(calibrated).Select(row => (ulong)Array.IndexOf(row, row.Max()) + 1)];
            CollectionAssert.AreEqual(expected, calibrated.GetColumn<T>("PredictedLabel").Select(key => Convert.ToUInt64(key)).ToArray());
        }
    }

    [TestMethod]
    public void ARowOfNaNStaysAsItIsAndOtherScoresThatAreNotProbabilitiesAreRefused()
    {
        MulticlassCalibratorTransformer transformer = Estimator("Vector").Fit(ScoredRows.Confused(50).View(Context));
        IDataView calibrated = transformer.Transform(ScoredRows.Of(3, (0, [float.NaN, .5f, .5f]), (0, [.2f, .3f, .5f])).View(Context));
        float[][] scores = Scores(calibrated);
        CollectionAssert.AreEqual(new[] { float.NaN, .5f, .5f }, scores[0]);
        Assert.AreNotEqual(.2f, scores[1][0]);
        Assert.AreEqual(0u, calibrated.GetColumn<uint>("PredictedLabel").First());

        // ML.NET may read rows on other threads and wrap what they throw.
        ScoredRows wrong = ScoredRows.Confused(3000);
        wrong.Scores[3 * 2500] -= 2;
        string message = Assert.Throws<Exception>(() => Scores(transformer.Transform(wrong.View(Context)))).GetBaseException().Message;
        StringAssert.Contains(message, "'Score'");
        StringAssert.Contains(message, "row 2500 (counted from 0) has the negative score -1");
    }

    /// <summary>As ML.NET's MapKeyToValue has it: NaN where the type knows it, else an empty text or 0.</summary>
    [TestMethod]
    public void ARowOfNaNHasAMissingLabelOfWhateverType()
    {
        Check(new[] { 1.5f, 2.5f, 3.5f }, float.NaN);
        Check(new[] { 1.5, 2.5, 3.5 }, double.NaN);
        Check(new[] { 7, 8, 9 }, 0);
        Check(new[] { "a", "b", "c" }, default(ReadOnlyMemory<char>));

        static void Check<T>(Array values, T missing)
        {
            var map = Context.Transforms.Conversion.MapKeyToValue("PredictedLabel");
            IDataView Values(params (uint Key, float[] Score)[] rows)
            {
                IDataView keys = NamedScores.View(Context, values, values, values, rows);
                return map.Fit(keys).Transform(keys);
            }

            (uint, float[])[] some = [.. Enumerable.Range(0, 30).Select(i => ((uint)i % 3 + 1, new[] { .5f, .3f, .2f }))];
            IDataView calibrated = Estimator("Vector").Fit(Values(some)).Transform(Values(some[0], (1, [.5f, float.NaN, .2f]), some[1]));
            object?[] labels = [.. calibrated.GetColumn<T>("PredictedLabel").Select(label => (object?)label)];
            Assert.AreEqual(missing, labels[1]);
            Assert.AreNotEqual(missing, labels[0]);
            Assert.AreEqual(labels[0], labels[2]);
        }
    }

    [TestMethod]
    public void ColumnsMayHaveOtherNamesAndTheRestPassesThrough()
    {
        IDataView scored = Examples.Scored(Context, 60);
        IDataView renamed = Context.Transforms.CopyColumns("P", "Score").Append(Context.Transforms.CopyColumns("Best", "PredictedLabel"))
            .Append(Context.Transforms.CopyColumns("Truth", "Label"))
                .Append(Context.Transforms.DropColumns("Score", "PredictedLabel", "Label"))
            .Fit(scored).Transform(scored);
        IDataView calibrated = Context.MulticlassClassification.Calibrators.Dirichlet("Truth", "P", "Best").Fit(renamed).Transform(renamed);
        CollectionAssert.AreEqual(
            Scores(Estimator("Dirichlet").Fit(scored).Transform(scored)).SelectMany(row => row).ToArray(),
            calibrated.GetColumn<float[]>("P").SelectMany(row => row).ToArray());
        CollectionAssert.AreEqual(scored.GetColumn<int>("Number").ToArray(), calibrated.GetColumn<int>("Number").ToArray());
        Assert.IsNull(calibrated.Schema.GetColumnOrNull("Score"));
    }

    [TestMethod]
    [DataRow("lbfgs")]
    [DataRow("sdca")]
    [DataRow("one versus all")]
    [DataRow("lightgbm")]
    public void ItWorksOnTheModelsOfMLNet(string trainer)
    {
        if (trainer == "lightgbm" && OperatingSystem.IsLinux() && !NativeLibrary.TryLoad("libgomp.so.1", out _))
            Assert.Inconclusive("LightGBM needs the system's libgomp.so.1 (Debian: libgomp1), which is missing here.");
        MulticlassClassificationCatalog catalog = Context.MulticlassClassification;
        IEstimator<ITransformer> estimator = trainer switch
        {
            "lbfgs" => catalog.Trainers.LbfgsMaximumEntropy(),
            "sdca" => catalog.Trainers.SdcaMaximumEntropy(maximumNumberOfIterations: 20),
            "one versus all" => catalog.Trainers.OneVersusAll(Context.BinaryClassification.Trainers.LbfgsLogisticRegression()),
            _ => catalog.Trainers.LightGbm(new LightGbmMulticlassTrainer.Options
            {
                NumberOfIterations = 60,
                MinimumExampleCountPerLeaf = 1,
                UseSoftmax = true,
                NumberOfThreads = 1,
            }),
        };
        ITransformer model = estimator.Fit(Examples.Data(Context, 300));
        IDataView validation = Examples.Data(Context, 600, seed: 5), test = Examples.Data(Context, 600, seed: 6);
        double before = catalog.EvaluateCalibration(model.Transform(test)).LogLoss;
        foreach (string kind in new[] { "Temperature", "Vector", "Isotonic", "Dirichlet" })
        {
            ITransformer calibrated = model.Append(Estimator(kind).Fit(model.Transform(validation)));
            double after = catalog.EvaluateCalibration(calibrated.Transform(test)).LogLoss;
            Assert.IsLessThan(before + 0.05, after, kind);
            if (trainer == "lightgbm")
                Assert.IsLessThan(before - 0.3, after, kind);   // 60 trees of single rows are far too sure
        }
    }

    [TestMethod]
    public void ScoresOfNaiveBayesAreRefusedWithTheRow()
    {
        IDataView data = Examples.Data(Context, 100);
        ITransformer model = Context.MulticlassClassification.Trainers.NaiveBayes().Fit(data);
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => Estimator("Temperature").Fit(model.Transform(data))).Message;
        StringAssert.Contains(message, "row 0 (counted from 0) has the negative score");
        StringAssert.Contains(message, "softmax");
    }

    [TestMethod]
    public void ItCanBePartOfAPipeline()
    {
        IDataView data = Examples.Data(Context, 200);
        var pipeline = Context.MulticlassClassification.Trainers.LbfgsMaximumEntropy()
            .Append(Context.MulticlassClassification.Calibrators.Vector())
            .Append(Context.Transforms.Conversion.MapKeyToValue("PredictedLabel"));
        CollectionAssert.Contains(Examples.Names, pipeline.Fit(data).Transform(data).GetColumn<string>("PredictedLabel").First());
    }

    [TestMethod]
    [EachCalibrator]
    public void ASavedModelGivesTheSameBitsAndShowsTheSameParameters(string kind)
    {
        IDataView data = Examples.Data(Context, 200);
        ITransformer model = Context.MulticlassClassification.Trainers.LbfgsMaximumEntropy().Fit(data);
        MulticlassCalibratorTransformer calibrator = Estimator(kind).Fit(model.Transform(data));
        ITransformer calibrated = model.Append(calibrator);
        var loaded = (TransformerChain<ITransformer>)SaveAndLoad(calibrated, data.Schema);

        CollectionAssert.AreEqual(Scores(calibrated.Transform(data)).SelectMany(row => row).ToArray(),
            Scores(loaded.Transform(data)).SelectMany(row => row).ToArray());
        CollectionAssert.AreEqual(calibrated.Transform(data).GetColumn<uint>("PredictedLabel").ToArray(),
            loaded.Transform(data).GetColumn<uint>("PredictedLabel").ToArray());
        CollectionAssert.AreEqual(Parameters(calibrator.Calibrator),
            Parameters(((MulticlassCalibratorTransformer)loaded.LastTransformer).Calibrator));
    }

    [TestMethod]
    [EachCalibrator]
    public void APredictionEngineGivesWhatTransformGives(string kind)
    {
        IDataView data = Examples.Data(Context, 50);
        ITransformer model = Context.MulticlassClassification.Trainers.LbfgsMaximumEntropy().Fit(data);
        ITransformer calibrated = model.Append(Estimator(kind).Fit(model.Transform(data)));
        Scored[] expected = [.. Context.Data.CreateEnumerable<Scored>(calibrated.Transform(data), reuseRowObject: false)];

        var engine = Context.Model.CreatePredictionEngine<Point, Scored>(calibrated);
        float[][] features = [.. data.GetColumn<float[]>("Features")];
        for (int row = 0; row < expected.Length; row++)
        {
            Scored predicted = engine.Predict(new Point { Features = features[row] });
            CollectionAssert.AreEqual(expected[row].Score, predicted.Score);
            Assert.AreEqual(expected[row].PredictedLabel, predicted.PredictedLabel);
        }
    }

    [TestMethod]
    public void TemperatureComesOnTopOfThatOfTheImageTrainer()
    {
        IDataView images = Fitted.View(Context, Shapes.Pixels(90));
        using var model = Fitted.Model(Context, images, options => options.Epoch = 1);
        IDataView validation = model.Transform(Fitted.View(Context, Shapes.Pixels(60, seed: 4)));
        var calibrator = Context.MulticlassClassification.Calibrators.Temperature().Fit(validation);
        double temperature = ((TemperatureCalibrator)calibrator.Calibrator).Temperature;

        float[][] calibrated = Scores(calibrator.Transform(validation));
        using var foldedModel = model.WithTemperature(model.Temperature * temperature);
        float[][] folded = Scores(foldedModel.Transform(Fitted.View(Context, Shapes.Pixels(60, seed: 4))));
        for (int row = 0; row < calibrated.Length; row++)
        {
            for (int k = 0; k < 3; k++)
                Assert.AreEqual(folded[row][k], calibrated[row][k], 1e-4f);
        }
    }

    private static float[][] Scores(IDataView data) => [.. data.GetColumn<float[]>("Score")];

    private static ITransformer SaveAndLoad(ITransformer model, DataViewSchema schema)
    {
        using var stream = new MemoryStream();
        Context.Model.Save(model, schema, stream);
        return new MLContext().Model.Load(stream, out _);
    }

    private sealed class Point
    {
        [VectorType(2)]
        public float[] Features { get; set; } = [];

        [KeyType(3)]
        public uint Label { get; set; }

        public string Name { get; set; } = "";

        public int Number { get; set; }
    }

    private sealed class Scored
    {
        public float[] Score { get; set; } = [];

        public uint PredictedLabel { get; set; }
    }
}
