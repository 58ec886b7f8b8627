using MLSharpness.Evidence;
using MLSharpness.Evidence.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Evidence;

[TestClass]
public sealed class ScoreSetTests
{
    /// <summary>Logits 2 and 0: 0.8808 at temperature 1, 0.7311 at 2.</summary>
    [TestMethod]
    public void AnotherTemperatureIsThatOfTheLogits()
    {
        var scores = new ScoreSet([0.8807971f, 0.1192029f, 0.5f, 0.5f], [0, 1], 2);
        float[] expected = [0.7310586f, 0.2689414f, 0.5f, 0.5f];
        float[] actual = scores.At(2).Probabilities;
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], 1e-6f);
        CollectionAssert.AreEqual(new[] { 0.8807971f, 0.5f }, scores.Confidences());
        Assert.AreEqual(1f, scores.At(0.001).Probabilities[0], 1e-6f);
    }

    /// <summary>Two classes that one feature tells apart. Each model says so of other rows, and of each training row one that had not
    /// seen it.</summary>
    [TestMethod]
    public void EachModelOfFeaturesLearnsTheClassesAndKnowsThemByTheirNumbers()
    {
        var random = new Random(1);
        float[][] features = [.. Enumerable.Range(0, 60).Select(row =>
        {
            float[] values = new float[KeptFeatures.Count];
            values[0] = (row % 3 == 0 ? 0 : row % 3 == 1 ? 2 : 4) + ((float)random.NextDouble() * 0.5f);
            return values;
        })];
        int[] labels = [.. Enumerable.Range(0, 60).Select(row => row % 3)];
        foreach ((string name, _) in HeadModels.All)
        {
            (ScoreSet unseen, _, ScoreSet[] tests) = HeadModels.Train(name, features, labels, [(features, labels)], 3, seed: 1);
            Assert.AreEqual(60, unseen.Count, name);
            Assert.IsGreaterThan(0.9, Accuracy(tests[0]), name);
            Assert.IsGreaterThan(0.9, Accuracy(unseen), name);
        }

        static double Accuracy(ScoreSet scores) =>
            CalibrationMetrics.Compute(scores.Probabilities, scores.Labels, scores.Classes).Accuracy;
    }
}
