using Microsoft.ML.Data;
using static Microsoft.ML.SharpnessAware.Tests.Calibration.CalibratorFits;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>Logits in place of probabilities, and class names in place of keys.</summary>
[TestClass]
public sealed class ScoreKindTests
{
    private static readonly string[] Kinds = ["Temperature", "Vector", "Isotonic", "Dirichlet", "StructuredMatrix"];

    [TestMethod]
    public void LogitsAreCalibratedAsTheirSoftmaxIs()
    {
        ScoredRows rows = ScoredRows.Confused(300);
        var random = new Random(4);
        ScoredRows logits = rows with { Scores = [.. rows.Scores.Chunk(3).SelectMany(row => (random.NextSingle() * 40 - 20) is var shift
            ? row.Select(p => MathF.Log(p) + shift).ToArray() : [])] };
        foreach (string kind in Kinds)
        {
            MulticlassCalibratorTransformer ofLogits = OfLogits(kind).Fit(logits.View(Context)), ofProbabilities = Estimator(kind)
                .Fit(rows.View(Context));
            IDataView calibrated = ofLogits.Transform(logits.View(Context));
            float[][] expected = [.. ofProbabilities.Transform(rows.View(Context)).GetColumn<float[]>("Score")];
            float[][] actual = [.. calibrated.GetColumn<float[]>("Score")];
            for (int row = 0; row < rows.Count; row++)
            {
                for (int k = 0; k < 3; k++)
                    Assert.AreEqual(expected[row][k], actual[row][k], kind == "Isotonic" ? 0.05f : 1e-3f, $"{kind}, row {row}");
            }

            using var stream = new MemoryStream();
            Context.Model.Save(ofLogits, logits.View(Context).Schema, stream);
            float[][] loaded = [.. new MLContext().Model.Load(stream, out _).Transform(logits.View(Context)).GetColumn<float[]>("Score")];
            for (int row = 0; row < rows.Count; row++)
                CollectionAssert.AreEqual(actual[row], loaded[row]);
        }
    }

    [TestMethod]
    public void LogitsOfAnySizeAndWhatIsNone()
    {
        ScoredRows rows = ScoredRows.Of(2, [.. Enumerable.Range(0, 120)
            .Select(i => (i % 10 == 0 ? 1 : 0, (float[])(i % 3 == 0 ? [1e4f, -1e4f] : [1, float.NegativeInfinity])))]);
        foreach (string kind in Kinds)
        {
            float[][] scores = [.. OfLogits(kind).Fit(rows.View(Context)).Transform(rows.View(Context)).GetColumn<float[]>("Score")];
            Assert.IsTrue(scores.All(row => row.All(float.IsFinite)), kind);
            Assert.AreEqual(.9f, scores[0].Max(), .06f, kind);
        }

        foreach (float wrong in new[] { float.NaN, float.PositiveInfinity })
            StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(
                () => OfLogits("Vector").Fit(ScoredRows.Of(2, (0, [1, 2]), (1, [wrong, 0])).View(Context))).Message,
                    "must hold logits, but row 1");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(
            () => Estimator("Vector").Fit(ScoredRows.Of(2, (0, [3, -1])).View(Context))).Message, "scoreKind: ScoreKind.Logits");
        Assert.AreEqual("scoreKind", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => Context.MulticlassClassification.Calibrators.Vector(scoreKind: (ScoreKind)7)).ParamName);
    }

    /// <summary>A model as it is loaded from a file: its PredictedLabel is text, a number, or a key of the label's own, and none of the
    /// scores any more.</summary>
    [TestMethod]
    [DataRow("Name")]
    [DataRow("Number")]
    [DataRow("Key")]
    public void AfterMapKeyToValueEveryCalibratorGivesTheValueOfItsClass(string label)
    {
        IDataView scored = Examples.Scored(Context, 200, label);
        IDataView mapped = Context.Transforms.Conversion.MapKeyToValue("PredictedLabel").Fit(scored).Transform(scored);
        foreach (string kind in Kinds)
        {
            MulticlassCalibratorTransformer before = Estimator(kind).Fit(scored), after = Estimator(kind).Fit(mapped);
            IDataView keys = before.Transform(scored);
            keys = Context.Transforms.Conversion.MapKeyToValue("PredictedLabel").Fit(keys).Transform(keys);
            object[] expected = Values(keys), actual = Values(after.Transform(mapped));
            if (kind != "Temperature")
                CollectionAssert.AreEqual(expected, actual, kind);
            SchemaShape promised = Estimator(kind).GetOutputSchema(SchemaShape.Create(mapped.Schema));
            Assert.IsTrue(promised.TryFindColumn("PredictedLabel", out SchemaShape.Column column)
                && column.IsKey == (label == "Key"));
            using var stream = new MemoryStream();
            Context.Model.Save(after, mapped.Schema, stream);
            CollectionAssert.AreEqual(actual, Values(new MLContext().Model.Load(stream, out _).Transform(mapped)), kind);
        }

        object[] Values(IDataView data) => label switch
        {
            "Number" => [.. data.GetColumn<int>("PredictedLabel").Cast<object>()],
            "Key" => [.. data.GetColumn<uint>("PredictedLabel").Cast<object>()],
            _ => [.. data.GetColumn<string>("PredictedLabel")],
        };
    }

    private static MulticlassCalibratorEstimator OfLogits(string kind) => Estimator(kind, scoreKind: ScoreKind.Logits);
}
