using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class FineTuningCandidateTests
{
    [TestMethod]
    [DataRow(10, 6.0, "")]
    [DataRow(10, 5.0, "Gentle in large steps without a climb 4")]
    [DataRow(10, 2.5, "Gentle in large steps without a climb 8")]
    [DataRow(10, 1.6, "Gentle in large steps 6")]
    [DataRow(10, 1.0, "Gentle in large steps 8, Gentle without a climb 4")]
    [DataRow(12, 1.0, "Gentle in large steps 8, Gentle without a climb 8")]
    [DataRow(17, 1.0, "Gentle in large steps 8, Gentle 8")]
    [DataRow(300, 1e-9, "Gentle in large steps 8, Gentle 8, Full 10")]
    public void TimeDecidesWhatIsTried(double seconds, double secondsPerEpoch, string expected) =>
        Assert.AreEqual(expected, string.Join(", ", FineTuningCandidate.Within(new(), TimeSpan.FromSeconds(seconds), secondsPerEpoch)
            .Select(candidate => $"{candidate.Name} {candidate.Epochs}")));

    /// <summary>Each validation image goes forward once, an image to train on forward and back twice.</summary>
    [TestMethod]
    [DataRow(0.0, 8)]
    [DataRow(0.25, 7)]
    [DataRow(1.0, 6)]
    [DataRow(3.0, 8)]
    public void ValidationTakesTimeToo(double validationShare, int epochs)
    {
        FineTuningCandidate candidate = FineTuningCandidate.Within(
            new(), TimeSpan.FromSeconds(8), secondsPerEpoch: 1, validationShare)[0];
        Assert.AreEqual(epochs, candidate.Epochs);
        Assert.AreEqual(validationShare < 3, candidate.Climbs, "five and a third with a climb are too few");
        Assert.AreEqual(epochs * ((candidate.Climbs ? 1 : 0.5) + (validationShare / 6)), candidate.Cost, 1e-12);
    }

    /// <summary>Epochs and a climb of the user's own are what is planned for, as far as there is time.</summary>
    [TestMethod]
    [DataRow(100, 40, 0.01, "Gentle in large steps 40, Gentle 40, Full 20")]
    [DataRow(30, 40, 0.01, "Gentle in large steps 30")]
    [DataRow(3, 1, 0.01, "Gentle in large steps 1, Gentle 1, Full 1")]
    [DataRow(5, 8, 0.01, "Gentle in large steps 5")]
    [DataRow(3, 8, 0.01, "")]
    [DataRow(7, 8, 0.0, "Gentle in large steps without a climb 8, Gentle without a climb 6")]
    public void WhatTheUserHasSetIsPlanned(double epochs, int given, double rho, string expected)
    {
        var options = new Options { Epoch = given, Method = SharpnessAwareMethod.Sam(rho) };
        Assert.AreEqual(expected, string.Join(", ", FineTuningCandidate.Within(options, TimeSpan.FromSeconds(epochs), 1)
            .Select(candidate => $"{candidate.Name} {candidate.Epochs}")));
    }

    [TestMethod]
    public void AnOptimiserOfTheUsersOwnIsTriedAtItsOwnRateOnly() =>
        Assert.AreEqual("Gentle, Full", string.Join(", ", FineTuningCandidate.Within(
            new() { LearningRate = 0.1 }, TimeSpan.FromSeconds(100), 1).Select(candidate => candidate.Name)));

    [TestMethod]
    public void ARadiusForATrainingFromScratchGetsAdviceWhereStepsAreSmall()
    {
        static string? Advice(SharpnessAwareMethod? method, FineTuning kind = FineTuning.Auto)
        {
            var options = new Options { FineTuning = kind };
            if (method is not null)
                options.Method = method;
            return FineTuningCandidate.AdviceOnRadius(options);
        }

        StringAssert.Contains(Advice(SharpnessAwareMethod.Sam()), "ρ = 0.05, which suits a training from scratch");
        StringAssert.Contains(Advice(SharpnessAwareMethod.Csam(0.1), FineTuning.Gentle), "give it ρ = 0.01.");
        StringAssert.Contains(Advice(SharpnessAwareMethod.Asam()), "give it ρ = 0.1.");
        Assert.IsNull(Advice(null), "the trainer's own");
        Assert.IsNull(Advice(SharpnessAwareMethod.Standard));
        Assert.IsNull(Advice(SharpnessAwareMethod.Csam(0.02)));
        Assert.IsNull(Advice(SharpnessAwareMethod.Asam(0.2)));
        Assert.IsNull(Advice(SharpnessAwareMethod.Sam() with { NormalizeAscent = false }), "it is no length");
        Assert.IsNull(Advice(SharpnessAwareMethod.Sam(), FineTuning.Full));
        Assert.IsNull(Advice(SharpnessAwareMethod.Sam(), FineTuning.HeadOnly));
    }

    /// <summary>ML.NET's trainer has 0.01 by default, for the head alone: an AdamW of that rate destroys what the network has
    /// learnt.</summary>
    [TestMethod]
    public void ALearningRateForTrainingsFromScratchGetsAdviceWhereStepsAreSmall()
    {
        static string? Advice(double? rate, BaseOptimizer? optimizer = null, FineTuning kind = FineTuning.Auto)
        {
            var options = new Options { FineTuning = kind, LearningRate = rate };
            if (optimizer is not null)
                options.BaseOptimizer = optimizer;
            return FineTuningCandidate.AdviceOnRate(options);
        }

        StringAssert.StartsWith(Advice(0.01f), "LearningRate = 0.01 ");
        StringAssert.Contains(Advice(0.01), "leave LearningRate unset, or give it 0.001 to 0.003.");
        StringAssert.Contains(Advice(0.005, kind: FineTuning.Gentle), "LearningRate = 0.005 ");
        StringAssert.StartsWith(Advice(null, new BaseOptimizer.AdamW(0.01)), "BaseOptimizer has the learning rate 0.01, ");
        StringAssert.StartsWith(Advice(0.02, new BaseOptimizer.Adam(0.001)), "LearningRate = 0.02 ");
        StringAssert.Contains(Advice(null, new BaseOptimizer.AdamW(0.01)), "leave BaseOptimizer unset, or give it 0.001 to 0.003.");
        Assert.IsNull(Advice(null), "the trainer's own");
        Assert.IsNull(Advice(0.003));
        Assert.IsNull(Advice(0.002, new BaseOptimizer.AdamW(0.01)), "LearningRate replaces that of the optimiser");
        Assert.IsNull(Advice(0.01, new BaseOptimizer.Sgd(0.1)), "for SGD it is small");
        Assert.IsNull(Advice(0.01, kind: FineTuning.Full));
        Assert.IsNull(Advice(0.01, kind: FineTuning.HeadOnly));
    }

    /// <summary>Full begins with a head that knows nothing, and is far behind after three epochs whatever comes of it.</summary>
    [TestMethod]
    public void StepsOfARateOfTheUsersOwnAreGivenUpAsLargeOnesAre()
    {
        Options[] ofUsers = [new() { LearningRate = 0.01 }, new() { BaseOptimizer = new BaseOptimizer.AdamW(0.01) }];
        foreach (Options options in ofUsers)
        {
            FineTuningCandidate[] candidates = [.. FineTuningCandidate.Candidates(options)];
            CollectionAssert.AreEqual(new[] { "Gentle", "Full" }, candidates.Select(candidate => candidate.Name).ToArray());
            Assert.IsTrue(candidates[0].IsHopeless(epoch: 3, loss: 1.7, ofHead: 0.9));
            Assert.IsFalse(candidates[0].IsHopeless(epoch: 3, loss: 1.1, ofHead: 0.9));
            Assert.IsFalse(candidates[1].IsHopeless(epoch: 3, loss: 1.7, ofHead: 0.9));
        }
    }

    [TestMethod]
    public void AnSgdThatSuitsATrainingFromScratchIsAdvisedAgainst()
    {
        static string? Advice(BaseOptimizer? optimizer, FineTuning kind = FineTuning.Auto, double? rate = null)
        {
            var options = new Options { FineTuning = kind, LearningRate = rate };
            if (optimizer is not null)
                options.BaseOptimizer = optimizer;
            return FineTuningCandidate.AdviceOnBaseOptimizer(options);
        }

        BaseOptimizer shown = new Options().BaseOptimizer;
        StringAssert.Contains(Advice(shown with { DecayBiasAndNorm = true }), "SGD with learning rate 0.05");
        StringAssert.Contains(Advice(new BaseOptimizer.Sgd(0.02), FineTuning.Gentle), "take AdamW with learning rate 0.001.");
        Assert.IsNull(Advice(null), "the trainer's own");
        Assert.IsNull(Advice(new BaseOptimizer.Sgd(0.01)));
        Assert.IsNull(Advice(new BaseOptimizer.AdamW(0.001)));
        Assert.IsNull(Advice(shown, rate: 0.001), "whose rate is another");
        StringAssert.Contains(Advice(new BaseOptimizer.Sgd(0.01), rate: 0.1f), "SGD with learning rate 0.1,");
        Assert.IsNull(Advice(shown, FineTuning.Full));
        Assert.IsNull(Advice(shown, FineTuning.HeadOnly));
    }

    /// <summary>After three epochs, and in large steps: small ones come closer slowly, and do no harm.</summary>
    [TestMethod]
    public void LargeStepsAreGivenUpWhereTheyAreFarFromTheHead()
    {
        FineTuningCandidate small = FineTuningCandidate.Of(FineTuning.Gentle, new()), large = small with { StepsAreLarge = true };
        Assert.IsTrue(large.IsHopeless(epoch: 3, loss: 1.7, ofHead: 0.9));
        Assert.IsTrue(large.IsHopeless(epoch: 3, loss: double.NaN, ofHead: 0.9));
        Assert.IsFalse(large.IsHopeless(epoch: 3, loss: 1.1, ofHead: 0.9));
        Assert.IsTrue(large.IsHopeless(epoch: 3, loss: 1.7 * 0.9, ofHead: 0.9), "the lowest of those that came to nothing");
        Assert.IsFalse(large.IsHopeless(epoch: 3, loss: 1.6 * 0.9, ofHead: 0.9), "the highest of those that came to something");
        Assert.IsFalse(large.IsHopeless(epoch: 2, loss: 1.7, ofHead: 0.9));
        Assert.IsFalse(small.IsHopeless(epoch: 3, loss: 1.7, ofHead: 0.9));
        Assert.IsFalse((large with { Epochs = 3 }).IsHopeless(epoch: 3, loss: 1.7, ofHead: 0.9), "it is done anyway");
    }

    [TestMethod]
    public void EachKindHasItsOwnDefaults()
    {
        Options gentle = new FineTuningCandidate(FineTuning.Gentle, 5).Apply(new(), images: 200);
        Assert.IsTrue(gentle.FreezeBatchNorm);
        Assert.AreEqual(5, gentle.Epoch);
        Assert.AreEqual(0.01, gentle.Method.Rho);
        Assert.IsInstanceOfType<BaseOptimizer.AdamW>(gentle.BaseOptimizer);
        Assert.AreEqual(0.1, gentle.BackboneLearningRateFactor);
        Assert.AreEqual(Augmentation.Light, gentle.Augmentation);
        Assert.AreEqual(25, gentle.BatchSize);

        Assert.AreEqual(16, new FineTuningCandidate(FineTuning.Gentle, 5).Apply(new(), images: 100).BatchSize, "no fewer than 16");
        Assert.AreEqual(64, new FineTuningCandidate(FineTuning.Gentle, 5).Apply(new(), images: 10_000).BatchSize);

        Assert.AreEqual(1e-3, gentle.BaseOptimizer.LearningRate);
        Options large = new FineTuningCandidate(FineTuning.Gentle, 5) { StepsAreLarge = true, Climbs = false }.Apply(new(), images: 200);
        Assert.AreEqual(3e-3, large.BaseOptimizer.LearningRate);
        Assert.AreEqual(SharpnessAwareMethod.Standard, large.Method);
        Assert.IsTrue(large.FreezeBatchNorm);

        Options full = new FineTuningCandidate(FineTuning.Full, 9).Apply(new(), images: 200);
        Assert.IsFalse(full.FreezeBatchNorm);
        Assert.AreEqual(0.05, full.Method.Rho);
        Assert.IsInstanceOfType<BaseOptimizer.Sgd>(full.BaseOptimizer);
        Assert.AreEqual(0.02, full.BaseOptimizer.LearningRate);
        Assert.AreEqual(25, full.BatchSize);
        Assert.AreEqual(64, new FineTuningCandidate(FineTuning.Full, 9).Apply(new() { LearningRate = 0.05 }, images: 200).BatchSize);
    }

    [TestMethod]
    public void WhatTheUserHasSetIsUsed()
    {
        var given = new Options
        {
            Method = SharpnessAwareMethod.Standard,
            BaseOptimizer = new BaseOptimizer.Sgd(0.2),
            Epoch = 3,
            Augmentation = Augmentation.None,
            BatchSize = 7,
        };
        foreach (FineTuning kind in new[] { FineTuning.Gentle, FineTuning.Full })
        {
            Options options = FineTuningCandidate.Of(kind, given).Apply(given, images: 1000);
            Assert.AreEqual(SharpnessAwareMethod.Standard, options.Method);
            Assert.AreEqual(0.2, options.BaseOptimizer.LearningRate);
            Assert.AreEqual(3, options.Epoch);
            Assert.AreEqual(Augmentation.None, options.Augmentation);
            Assert.AreEqual(7, options.BatchSize);
        }
    }

    [TestMethod]
    public void AnImprovementCountsBeyondItsStandardErrorOnly()
    {
        int[] labels = [.. Enumerable.Range(0, 40).Select(i => i % 2)];
        HeldOutLoss good = Wrong(2), middling = Wrong(4), bad = Wrong(15);
        Assert.IsTrue(good.IsBetterThan(bad));
        Assert.IsFalse(bad.IsBetterThan(good));
        Assert.IsFalse(good.IsBetterThan(good), "the same is not better");
        Assert.AreEqual(0.95, good.Accuracy, 1e-9);
        Assert.IsFalse(good.IsBetterThan(Wrong(3)), "one picture of 40 is chance");
        Assert.IsFalse(middling.IsBetterThan(Wrong(6)), "1.5 standard errors, one chance in fourteen");
        Assert.IsTrue(middling.IsBetterThan(Wrong(7)), "1.8 of them, one in thirty");
        Assert.IsFalse(HeldOutLoss.Of([.. Logits(labels, 0).Select(_ => float.NaN)], labels, 2).IsBetterThan(bad));

        HeldOutLoss Wrong(int count) => HeldOutLoss.Of(Logits(labels, count), labels, 2);
    }

    private static float[] Logits(int[] labels, int wrong) =>
        [.. labels.SelectMany((label, row) => (label == 0) ^ (row < wrong) ? new[] { 2f, 0f } : [0f, 2f])];
}
