using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class AbstentionTests
{
    /// <summary>A calibrated model of confidences from ½ to 1: above t it is right in (1 + t)/2. So 90 % are kept from t = .8 on.</summary>
    [TestMethod]
    [DataRow(300)]
    [DataRow(3000)]
    public void ThePromiseIsBrokenInNoMoreThanTheShareAllowed(int rows)
    {
        const int Draws = 300;
        var random = new Random(rows);
        int broken = 0, something = 0;
        for (int draw = 0; draw < Draws; draw++)
        {
            var fit = new AbstentionFit(accuracy: .9, confidence: .9);
            for (int i = 0; i < rows; i++)
            {
                float confidence = .5f + .5f * random.NextSingle();
                fit.Add([confidence, 1 - confidence], random.NextDouble() < confidence ? 0 : 1);
            }

            double threshold = fit.Finish().Threshold;
            broken += threshold < .8 ? 1 : 0;
            something += double.IsFinite(threshold) ? 1 : 0;
        }

        Assert.IsGreaterThan(1e-4, 1 - BinomialTail.AtMost(broken - 1, Draws, .1), $"{broken} of {Draws}");
        Assert.IsGreaterThan(rows >= 3000 ? .99 * Draws : 0, something);
    }

    /// <summary>
    /// Models whose accuracy above each confidence is known: overconfident (right in .5 + .6 (c − ½)), of three confidences only, and
    /// useless, right in .85 whatever it says. In no more than 1 − confidence of the draws is the accuracy above the threshold lower than
    /// asked.
    /// </summary>
    [TestMethod]
    [DataRow("overconfident", 1000, .7, .9)]
    [DataRow("three", 400, .85, .8)]
    [DataRow("three", 2000, .9, .95)]
    [DataRow("useless", 1000, .9, .9)]
    [DataRow("useless", 500, .84, .9)]
    public void ThePromiseHoldsForEveryKindOfModel(string model, int rows, double accuracy, double confidence)
    {
        const int Draws = 400;
        float[] steps = [.6f, .8f, .95f];
        var random = new Random(rows);
        int broken = 0;
        for (int draw = 0; draw < Draws; draw++)
        {
            var fit = new AbstentionFit(accuracy, confidence);
            for (int i = 0; i < rows; i++)
            {
                float c = model == "three" ? steps[random.Next(3)] : .5f + .5f * random.NextSingle();
                fit.Add([c, 1 - c], random.NextDouble() < RightAt(c) ? 0 : 1);
            }

            double threshold = fit.Finish().Threshold;
            broken += double.IsFinite(threshold) && Above(threshold) < accuracy - 1e-12 ? 1 : 0;
        }

        Assert.IsGreaterThan(1e-4, 1 - BinomialTail.AtMost(broken - 1, Draws, 1 - confidence), $"{broken} of {Draws}");

        double RightAt(double c) => model switch { "overconfident" => .5 + .6 * (c - .5), "three" => c, _ => .85 };

        double Above(double threshold) => model switch
        {
            "three" => steps.Where(c => c > threshold).DefaultIfEmpty(1).Average(),
            "overconfident" => RightAt((Math.Max(threshold, .5) + 1) / 2),
            _ => .85,
        };
    }

    /// <summary>1,000 right rows and no wrong one: at 99 % it takes ln(.05/40)/ln .99 = 665.1 of them.</summary>
    [TestMethod]
    public void RowsThatAreAllRightByHand()
    {
        Assert.AreEqual(666, AbstentionFit.RowsNeeded(.99, .95));
        Assert.AreEqual(0.0, Finish(1000).Threshold);
        Assert.AreEqual(1000, Finish(1000).Accepted);
        Assert.AreEqual(0.0, Finish(666).Threshold);
        AbstentionChoice none = Finish(665);
        Assert.AreEqual(double.PositiveInfinity, none.Threshold);
        Assert.AreEqual(Math.Pow(.05 / 40, 1 / 665.0), none.BestAccuracy, 1e-9);
        Assert.AreEqual(665, none.BestAccepted);

        static AbstentionChoice Finish(int rows)
        {
            var fit = new AbstentionFit(.99, .95);
            for (int i = 0; i < rows; i++)
                fit.Add([.9f - 1e-4f * i, .1f + 1e-4f * i], 0);
            return fit.Finish();
        }
    }

    /// <summary>665 right rows are enough for 98.99983 %.</summary>
    [TestMethod]
    public void WhatTheWarningSaysCanBePromisedIs()
    {
        var mlContext = new MLContext(1);
        List<string> warnings = [];
        mlContext.CollectWarnings(warnings);
        IDataView data = ScoredRows.Of(2, [.. Enumerable.Range(0, 665).Select(i => (0, new[] { .9f - 1e-4f * i, .1f + 1e-4f * i }))])
            .View(mlContext);
        mlContext.MulticlassClassification.Decisions.Abstain(accuracy: .99, confidence: .95).Fit(data);
        StringAssert.Contains(warnings.Single(), "What they can promise is 98.99 %");
        AbstentionTransformer asked = mlContext.MulticlassClassification.Decisions.Abstain(accuracy: .9899, confidence: .95).Fit(data);
        Assert.IsTrue(double.IsFinite(asked.Threshold));
        Assert.HasCount(1, warnings);
    }

    /// <summary>Rows of equal confidence are accepted all or none, by the fit as by the transformer: here the 300 and the 400 that are
    /// mostly right, and none of those at the threshold.</summary>
    [TestMethod]
    public void RowsOfEqualConfidenceAreAcceptedTogether()
    {
        var mlContext = new MLContext(1);
        (int, float[])[] rows = [.. Enumerable.Range(0, 1000).Select(i => i < 300 ? Row(.95f, true)
            : i < 700 ? Row(.8f, i % 20 != 0) : Row(.6f, i % 5 < 2))];
        IDataView data = ScoredRows.Of(2, rows).View(mlContext);
        AbstentionTransformer abstention = mlContext.MulticlassClassification.Decisions.Abstain(accuracy: .9, confidence: .9).Fit(data);
        Assert.AreEqual(.6, abstention.Threshold, 1e-6);
        Assert.AreEqual(.7, abstention.AcceptedShare);
        Assert.AreEqual(680 / 700.0, abstention.ObservedAccuracy);
        Assert.AreEqual(700, abstention.Transform(data).GetColumn<bool>("Accepted").Count(accepted => accepted));

        static (int, float[]) Row(float confidence, bool isRight) => (isRight ? 0 : 1, [confidence, 1 - confidence]);
    }

    [TestMethod]
    public void TheDecisionIsAColumnThatIsSavedAndPredicted()
    {
        var mlContext = new MLContext(1);
        IDataView data = Examples.Scored(mlContext, 600);
        var abstention = mlContext.MulticlassClassification.Decisions.Abstain(accuracy: .7, confidence: .9).Fit(data);
        Assert.IsTrue(abstention.Threshold is >= 0 and < 1);
        Assert.IsTrue(abstention.ObservedAccuracy > .7 && abstention.AcceptedShare > .3 && abstention.FittedRows == 600);
        IDataView decided = abstention.Transform(data);
        bool[] accepted = [.. decided.GetColumn<bool>("Accepted")];
        float[][] scores = [.. decided.GetColumn<float[]>("Score")];
        CollectionAssert.AreEqual(scores.Select(row => row.Max() > abstention.Threshold).ToArray(), accepted);
        Assert.AreEqual(abstention.AcceptedShare, accepted.Count(value => value) / 600.0, 1e-9);
        CollectionAssert.AreEqual(data.GetColumn<uint>("PredictedLabel").ToArray(), decided.GetColumn<uint>("PredictedLabel").ToArray());

        using var stream = new MemoryStream();
        mlContext.Model.Save(abstention, data.Schema, stream);
        CollectionAssert.AreEqual(accepted, new MLContext().Model.Load(stream, out _).Transform(data).GetColumn<bool>("Accepted")
            .ToArray());
        EstimatorConformance.Check(mlContext, mlContext.MulticlassClassification.Decisions.Abstain(.7, .9), data,
            mlContext.Data.LoadFromEnumerable([new Unusable()]));
    }

    /// <summary>What the model predicts is not known where a score is NaN.</summary>
    [TestMethod]
    public void RowsWithoutScoresAreNotEvaluated()
    {
        var mlContext = new MLContext(1);
        Decided[] rows =
        [
            new() { Label = 0, Score = [.9f, .1f], Accepted = true }, new() { Label = 0, Score = [float.NaN, 1], Accepted = true },
            new() { Label = 1, Score = [.6f, .4f] }, new() { Label = 1, Score = [0, float.PositiveInfinity] },
        ];
        AbstentionMetrics metrics = Evaluate(rows);
        Assert.AreEqual((2L, 2L), (metrics.Count, metrics.SkippedRows));
        Assert.AreEqual((1.0, 0.0), (metrics.AcceptedAccuracy.Estimate, metrics.RejectedAccuracy.Estimate));
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => Evaluate(rows[1], rows[3])).Message, "None of the 2");

        AbstentionMetrics Evaluate(params Decided[] some) =>
            mlContext.MulticlassClassification.EvaluateAbstention(mlContext.Data.LoadFromEnumerable(some));
    }

    /// <summary>The library's own decisions throw where a row has no scores; the second number is one of which ML.NET shares rows out to
    /// threads.</summary>
    [TestMethod]
    [DataRow(60)]
    [DataRow(5_000)]
    public void RowsWithoutScoresHaveNoDecisionToBeEvaluated(int rows)
    {
        var mlContext = new MLContext(1);
        ScoredRows all = ScoredRows.Confused(rows);
        AbstentionTransformer abstention = mlContext.MulticlassClassification.Decisions.Abstain(.5).Fit(all.View(mlContext));
        float[] scores = [.. all.Scores];
        scores[3 * (rows - 7) + 1] = float.NaN;
        AbstentionMetrics metrics = mlContext.MulticlassClassification.EvaluateAbstention(
            abstention.Transform((all with { Scores = scores }).View(mlContext)));
        Assert.AreEqual((rows - 1L, 1L), (metrics.Count, metrics.SkippedRows));
    }

    [TestMethod]
    public void WhereNothingCanBePromisedNothingIsAcceptedAndAWarningSaysWhatCould()
    {
        var mlContext = new MLContext(1);
        List<string> warnings = [];
        mlContext.CollectWarnings(warnings);
        IDataView data = Examples.Scored(mlContext, 100);
        var abstention = mlContext.MulticlassClassification.Decisions.Abstain().Fit(data);
        Assert.IsFalse(abstention.Transform(data).GetColumn<bool>("Accepted").Any(value => value));
        Assert.HasCount(1, warnings);
        StringAssert.Contains(warnings[0], "These 100 row(s) do not let an accuracy of 99 % be promised with a confidence of 95 %");
        StringAssert.Contains(warnings[0], "it takes 666 accepted rows");
        Assert.IsTrue(double.IsNaN(abstention.ObservedAccuracy));
    }

    private sealed class Decided
    {
        [KeyType(2)]
        public uint Label { get; set; }

        [VectorType(2)]
        public float[] Score { get; set; } = [];

        public bool Accepted { get; set; }
    }

    private sealed class Unusable
    {
        [KeyType(3)]
        public uint Label { get; set; }

        public float Score { get; set; }
    }
}
