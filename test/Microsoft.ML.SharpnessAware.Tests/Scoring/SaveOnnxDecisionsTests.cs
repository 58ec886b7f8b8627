using System.Globalization;
using System.Text.Json;
using Microsoft.ML.Data;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Microsoft.ML.SharpnessAware.Tests.Scoring;

/// <summary>Prediction sets and abstention in an ONNX file.</summary>
[TestClass]
public sealed class SaveOnnxDecisionsTests
{
    private static readonly MLContext MLContext = new(1);

    [TestMethod]
    [DataRow(11, false)]
    [DataRow(17, true)]
    [DataRow(18, false)]
    public void DecisionsAreOutputsBehindTheScores(int opset, bool perClass)
    {
        List<PixelRow> rows = Shapes.Pixels(240, seed: 20);
        foreach (PixelRow row in rows.Where((_, i) => i % 4 == 0))
            row.Label = Shapes.Names[row.Number % 2];                   // so that there is something to be unsure of
        IDataView data = MLContext.Data.LoadFromEnumerable(rows);
        MulticlassDecisionsCatalog decisions = MLContext.MulticlassClassification.Decisions;
        using var scoring = MLContext.Transforms.Conversion.MapValueToKey("Label")
            .Append(MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(Fitted.QuickOptions()))
            .Append(MLContext.MulticlassClassification.Calibrators.Vector()).Fit(data);
        IDataView scored = MLContext.Data.Cache(scoring.Transform(data));
        // Such as leave something to tell: sets of several sizes, rows of both kinds.
        PredictionSetTransformer ofSets = new[] { .8, .9, .95, .7, .6 }
            .Select(coverage => decisions.PredictionSets(coverage, PredictionSetScore.LeastAmbiguous, perClass).Fit(scored))
            .First(fitted => fitted.Transform(scored).GetColumn<int>("PredictionSetSize").Distinct().Count() > 1);
        AbstentionTransformer abstention = new[] { .98, .95, .9, .85, .8, .7, .6, .5, .4 }
            .Select(accuracy => decisions.Abstain(accuracy, .5).Fit(scored)).First(fitted => fitted.AcceptedShare is > 0 and < 1);
        ITransformer model = scoring.Append(ofSets).Append(abstention);
        using var folder = new TemporaryFolder();
        string path = folder.File("model.onnx");

        model.SaveOnnx(path, new OnnxExportOptions { OpsetVersion = opset });

        Decided[] expected = [.. MLContext.Data.CreateEnumerable<Decided>(model.Transform(data), reuseRowObject: false)];
        using var session = new InferenceSession(path);
        CollectionAssert.AreEqual(new[] { "Score", "PredictedLabel", "PredictionSet", "PredictionSetSize", "Accepted" },
            session.OutputNames.ToArray());
        using var results = session.Run([NamedOnnxValue.CreateFromTensor(
            "Image", new DenseTensor<byte>(rows.SelectMany(row => row.Image).ToArray(), [240, 1, 12, 12]))]);
        bool[] sets = [.. results[2].AsEnumerable<bool>()], accepted = [.. results[4].AsEnumerable<bool>()];
        long[] sizes = [.. results[3].AsEnumerable<long>()];
        // Scores differ in their last bits: a row or two on the very threshold may fall to the other side.
        int others = expected.Where((row, i) => row.Accepted != accepted[i] || row.PredictionSetSize != sizes[i]
            || Enumerable.Range(0, 3).Any(k => row.PredictionSet.Contains((uint)k + 1) != sets[(3 * i) + k])).Count();
        Assert.IsLessThanOrEqualTo(4, others);
        Assert.AreEqual(FormattableString.Invariant($"{ofSets.CoverageAsked}"),
            session.ModelMetadata.CustomMetadataMap["prediction_set_coverage"]);
        Assert.AreEqual(FormattableString.Invariant($"{abstention.AccuracyAsked}"),
            session.ModelMetadata.CustomMetadataMap["abstention_accuracy"]);
        Assert.AreEqual("0.5", session.ModelMetadata.CustomMetadataMap["abstention_confidence"]);
        Assert.AreEqual(Invariant(abstention.Threshold), session.ModelMetadata.CustomMetadataMap["abstention_threshold"]);
        CollectionAssert.AreEqual(ofSets.Thresholds.Select(Invariant).ToArray(),
            JsonSerializer.Deserialize<string[]>(session.ModelMetadata.CustomMetadataMap["prediction_set_thresholds"]));

        static string Invariant(double number) => number.ToString("R", CultureInfo.InvariantCulture);
    }

    [TestMethod]
    public void SetsThatAreDrawnAreRefusedByName()
    {
        IDataView data = MLContext.Data.LoadFromEnumerable(Shapes.Pixels(60));
        using var classifier = MLContext.Transforms.Conversion.MapValueToKey("Label")
            .Append(MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(Fitted.QuickOptions())).Fit(data);
        ITransformer model = classifier.Append(
            MLContext.MulticlassClassification.Decisions.PredictionSets(.8).Fit(classifier.Transform(data)));
        using var folder = new TemporaryFolder();
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => model.SaveOnnx(folder.File("x.onnx"))).Message,
            "Prediction sets of the score Adaptive cannot be written to ONNX");
        Assert.IsEmpty(folder.FileNames());
    }

    /// <summary>Decisions that were fitted again hide the earlier ones, in the file as in the pipeline; a name that only one of two columns
    /// can have is refused, and what was there stays.</summary>
    [TestMethod]
    public void OfTwoDecisionsOfOneNameTheLaterOneIsWritten()
    {
        IDataView data = Fitted.View(MLContext, Shapes.Pixels(60));
        using SharpnessAwareImageClassificationTransformer classifier = Fitted.Model(MLContext, data, options => options.Epoch = 1);
        IDataView scored = classifier.Transform(data);
        MulticlassDecisionsCatalog decisions = MLContext.MulticlassClassification.Decisions;
        ITransformer Sets(double coverage, string name = "PredictionSet") =>
            decisions.PredictionSets(coverage, PredictionSetScore.LeastAmbiguous, outputColumnName: name).Fit(scored);
        using var folder = new TemporaryFolder();
        string path = folder.File("model.onnx");
        ITransformer model = classifier.Append(Sets(0.5)).Append(decisions.Abstain(.4, .5).Fit(scored)).Append(Sets(0.9))
            .Append(decisions.Abstain(.35, .5).Fit(scored));

        model.SaveOnnx(path);

        using OnnxImageClassifierTransformer read = MLContext.Transforms.ScoreOnnxImageClassifier(path).Fit(data);
        IDataView expected = model.Transform(data), actual = read.Transform(data);
        CollectionAssert.AreEqual(expected.GetColumn<int>("PredictionSetSize").ToArray(),
            actual.GetColumn<int>("PredictionSetSize").ToArray());
        CollectionAssert.AreEqual(expected.GetColumn<bool>("Accepted").ToArray(), actual.GetColumn<bool>("Accepted").ToArray());

        byte[] before = File.ReadAllBytes(path);
        foreach (string taken in new[] { "PredictedLabel", "Image" })
        {
            ITransformer odd = classifier.Append(decisions.Abstain(.4, .5).Fit(scored)).Append(Sets(0.9, taken));
            StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => odd.SaveOnnx(path)).Message, $"'{taken}' is asked for");
        }

        CollectionAssert.AreEqual(before, File.ReadAllBytes(path));
    }

    /// <summary>Transform throws there, which a graph cannot: nothing is accepted, and no class is left out of the set.</summary>
    [TestMethod]
    [DataRow(11, ScoreKind.Probabilities)]
    [DataRow(17, ScoreKind.Logits)]
    [DataRow(20, ScoreKind.Probabilities)]
    public void NothingIsDecidedOfARowWhoseScoresAreNotNumbers(int opset, ScoreKind scoreKind)
    {
        Calibration.ScoredRows rows = Calibration.ScoredRows.Confused(300);
        IDataView data = rows.View(MLContext);
        MulticlassDecisionsCatalog decisions = MLContext.MulticlassClassification.Decisions;
        var file = new OnnxFileWriter(opset);
        file.AddInput("Score", OnnxType.Float32, "rows", 3);
        file.AddOutput(decisions.PredictionSets(.6, PredictionSetScore.LeastAmbiguous, scoreKind: scoreKind).Fit(data)
            .CreateMapper(data.Schema).AddTo(file, "Score"), "Sets", OnnxType.Boolean, "rows", 3);
        file.AddOutput(file.Node("Greater", decisions.Abstain(.4, .5, scoreKind: scoreKind).Fit(data)
            .AddTo(file, "Score", keepDimensions: false)), "Accepted", OnnxType.Boolean, "rows");
        using var stream = new MemoryStream();
        file.Save(stream, "1");

        using var session = new InferenceSession(stream.ToArray());
        using var results = session.Run([NamedOnnxValue.CreateFromTensor("Score", new DenseTensor<float>((float[])
            [float.NaN, 1, 0, 1, 0, float.NaN, float.NaN, float.NaN, float.NaN, 0, float.NaN, 1, 1, 0, 0], [5, 3]))]);

        bool[] sets = [.. results[0].AsEnumerable<bool>()], accepted = [.. results[1].AsEnumerable<bool>()];
        Assert.IsTrue(sets[..12].All(holds => holds));
        Assert.IsFalse(sets[14]);
        CollectionAssert.AreEqual(new[] { false, false, false, false, true }, accepted);
    }

    /// <summary>ML.NET's own conversion: abstention behind any trainer, and an error that names the sets.</summary>
    [TestMethod]
    public void AbstentionIsConvertedAndSetsAreRefused()
    {
        IDataView data = Calibration.Examples.Data(MLContext, 300);
        ITransformer model = MLContext.MulticlassClassification.Trainers.LightGbm(numberOfIterations: 5).Fit(data);
        MulticlassDecisionsCatalog decisions = MLContext.MulticlassClassification.Decisions;
        ITransformer careful = model.Append(decisions.Abstain(.6, .5).Fit(model.Transform(data)));
        using var stream = new MemoryStream();
        MLContext.Model.ConvertToOnnx(careful, data, 12, stream);
        using var session = new InferenceSession(stream.ToArray());
        CollectionAssert.Contains(session.OutputNames.ToArray(), "Accepted.output");

        ITransformer sets = model.Append(decisions.PredictionSets(.8).Fit(model.Transform(data)));
        Exception refused = Assert.Throws<Exception>(() => MLContext.Model.ConvertToOnnx(sets, data, 12, stream));
        StringAssert.Contains(refused.GetBaseException().Message, "column 'PredictionSet'");
    }

    private sealed class Decided
    {
        public uint[] PredictionSet { get; set; } = [];

        public int PredictionSetSize { get; set; }

        public bool Accepted { get; set; }
    }
}
