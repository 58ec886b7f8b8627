using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class FineTuningCandidateTests
{
    [TestMethod]
    [DataRow(10, 4.0, "")]
    [DataRow(10, 2.5, "Gentle 4")]
    [DataRow(10, 1.0, "Gentle 8")]
    [DataRow(12, 1.0, "Gentle 4, Full 8")]
    [DataRow(17, 1.0, "Gentle 8, Full 9")]
    [DataRow(300, 1e-9, "Gentle 8, Full 10")]
    public void TimeDecidesWhatIsTried(double seconds, double secondsPerEpoch, string expected) =>
        Assert.AreEqual(expected, string.Join(", ", FineTuningCandidate.Within(TimeSpan.FromSeconds(seconds), secondsPerEpoch)
            .Select(candidate => $"{candidate.Kind} {candidate.Epochs}")));

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

        Options full = new FineTuningCandidate(FineTuning.Full, 9).Apply(new(), images: 200);
        Assert.IsFalse(full.FreezeBatchNorm);
        Assert.AreEqual(0.05, full.Method.Rho);
        Assert.IsInstanceOfType<BaseOptimizer.Sgd>(full.BaseOptimizer);
        Assert.AreEqual(64, full.BatchSize);
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
            Options options = new FineTuningCandidate(kind, 9).Apply(given, images: 1000);
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
        HeldOutLoss good = HeldOutLoss.Of(Logits(labels, wrong: 2), labels, 2), bad = HeldOutLoss.Of(Logits(labels, wrong: 15), labels, 2);
        Assert.IsTrue(good.IsBetterThan(bad));
        Assert.IsFalse(bad.IsBetterThan(good));
        Assert.IsFalse(good.IsBetterThan(good), "the same is not better");
        Assert.AreEqual(0.95, good.Accuracy, 1e-9);
        HeldOutLoss one = HeldOutLoss.Of(Logits(labels, wrong: 3), labels, 2);
        Assert.IsFalse(good.IsBetterThan(one), "one picture of 40 is chance");
        Assert.IsFalse(HeldOutLoss.Of([.. Logits(labels, 0).Select(_ => float.NaN)], labels, 2).IsBetterThan(bad));
    }

    private static float[] Logits(int[] labels, int wrong) =>
        [.. labels.SelectMany((label, row) => (label == 0) ^ (row < wrong) ? new[] { 2f, 0f } : [0f, 2f])];
}
