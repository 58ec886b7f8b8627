using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests;

// Prediction sets and abstention in the file.
public sealed partial class ScoreOnnxImageClassifierTests
{
    [TestMethod]
    public void DecisionsInTheFileGiveTheColumnsThatTheyGiveInThePipeline()
    {
        using var folder = new TemporaryFolder();
        IDataView data = Fitted.View(_mlContext, Shapes.Pixels(60));
        using SharpnessAwareImageClassificationTransformer trained = Train(data);
        MulticlassDecisionsCatalog decisions = _mlContext.MulticlassClassification.Decisions;
        IDataView scored = trained.Transform(data);
        ITransformer careful = trained.Append(decisions.PredictionSets(0.8, PredictionSetScore.LeastAmbiguous).Fit(scored))
            .Append(decisions.PredictionSets(0.95, PredictionSetScore.LeastAmbiguous, outputColumnName: "Surer").Fit(scored))
            .Append(decisions.Abstain(0.6, 0.5).Fit(scored));
        careful.SaveOnnx(folder.File("model.onnx"));
        List<string> warnings = [];
        _mlContext.Log += (_, e) => warnings.Add(e.Message);

        IEstimator<OnnxImageClassifierTransformer> estimator = _mlContext.Transforms.ScoreOnnxImageClassifier(folder.File("model.onnx"));
        using OnnxImageClassifierTransformer model = estimator.Fit(data);
        _mlContext.Model.Save(model, data.Schema, folder.File("model.zip"));
        ITransformer loaded = new MLContext().Model.Load(folder.File("model.zip"), out _);

        Assert.IsEmpty(warnings.Where(warning => warning.Contains("not added", StringComparison.Ordinal)));
        CollectionAssert.AreEqual(new[] { 0.8, 0.95 },
            model.Decisions.OfType<PredictionSetTransformer>().Select(sets => sets.CoverageAsked).ToArray());
        IDataView expected = careful.Transform(data);
        foreach (IDataView actual in new[] { model.Transform(data), loaded.Transform(data) })
        {
            AssertSameColumns(expected, actual);
            AreEqual(Sets(expected), Sets(actual));
            foreach (string size in new[] { "PredictionSetSize", "SurerSize" })
                CollectionAssert.AreEqual(expected.GetColumn<int>(size).ToArray(), actual.GetColumn<int>(size).ToArray());
            CollectionAssert.AreEqual(expected.GetColumn<bool>("Accepted").ToArray(), actual.GetColumn<bool>("Accepted").ToArray());
            foreach (string column in new[] { "PredictionSet", "PredictionSetSize", "Surer", "SurerSize", "Accepted" })
            {
                Assert.AreEqual(expected.Schema[column].Type, actual.Schema[column].Type);
                AreEqual([.. expected.Schema[column].Annotations.Schema.Select(each => $"{each.Name} {each.Type}")],
                    [.. actual.Schema[column].Annotations.Schema.Select(each => $"{each.Name} {each.Type}")]);
            }
            Assert.AreEqual(0.8, DecisionAnnotations.Find(actual.Schema["PredictionSet"], DecisionAnnotations.CoverageAsked));
            Assert.AreEqual(_mlContext.MulticlassClassification.EvaluatePredictionSets(expected).Coverage,
                _mlContext.MulticlassClassification.EvaluatePredictionSets(actual).Coverage);
        }

        SchemaShape promised = estimator.GetOutputSchema(SchemaShape.Create(data.Schema));
        SchemaShape given = SchemaShape.Create(model.Transform(data).Schema);
        foreach (SchemaShape.Column column in given)
            Assert.IsTrue(promised.TryFindColumn(column.Name, out SchemaShape.Column found) && column.IsCompatibleWith(found), column.Name);
        using PredictionEngine<PixelRow, Decided> engine = _mlContext.Model.CreatePredictionEngine<PixelRow, Decided>(model,
            new PredictionEngineOptions { OwnsTransformer = false });
        Decided one = engine.Predict(Shapes.Pixels(1)[0]);
        Assert.AreEqual(expected.GetColumn<bool>("Accepted").First(), one.Accepted);
        Assert.AreEqual(string.Join(' ', one.PredictionSet), Sets(expected)[0]);
    }

    [TestMethod]
    public void DecisionsFollowTheNameOfTheScores()
    {
        using var folder = new TemporaryFolder();
        IDataView data = Fitted.View(_mlContext, Shapes.Pixels(60));
        using SharpnessAwareImageClassificationTransformer trained = Train(data);
        ITransformer careful = trained.Append(_mlContext.MulticlassClassification.Decisions.Abstain(0.6, 0.5).Fit(trained.Transform(data)));
        careful.SaveOnnx(folder.File("model.onnx"));

        using OnnxImageClassifierTransformer model = _mlContext.Transforms.ScoreOnnxImageClassifier(folder.File("model.onnx"),
            scoreColumnName: "Probability").Fit(data);

        CollectionAssert.AreEqual(careful.Transform(data).GetColumn<bool>("Accepted").ToArray(),
            model.Transform(data).GetColumn<bool>("Accepted").ToArray());
    }

    [TestMethod]
    public void DecisionsOfScoresThatACalibratorChangedAreLeftOutWithAWarning()
    {
        using var folder = new TemporaryFolder();
        IDataView data = Fitted.View(_mlContext, Shapes.Pixels(60));
        using SharpnessAwareImageClassificationTransformer trained = Train(data);
        IDataView scored = trained.Transform(data);
        ITransformer odd = trained.Append(_mlContext.MulticlassClassification.Decisions.Abstain(0.6, 0.5).Fit(scored))
            .Append(_mlContext.MulticlassClassification.Calibrators.Temperature().Fit(scored));
        odd.SaveOnnx(folder.File("model.onnx"));
        List<string> warnings = [];
        _mlContext.Log += (_, e) => warnings.Add(e.Message);

        using OnnxImageClassifierTransformer model = _mlContext.Transforms.ScoreOnnxImageClassifier(folder.File("model.onnx")).Fit(data);

        AssertSameColumns(odd.Transform(data), model.Transform(data));
        Assert.IsNull(model.Transform(data).Schema.GetColumnOrNull("Accepted"));
        Assert.Contains(warning => warning.Contains("also gives Accepted, which are not added", StringComparison.Ordinal), warnings);
    }

    private sealed class Decided
    {
        public uint[] PredictionSet { get; set; } = [];

        public bool Accepted { get; set; }
    }
}
