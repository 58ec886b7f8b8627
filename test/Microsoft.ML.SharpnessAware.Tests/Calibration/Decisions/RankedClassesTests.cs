namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>What makes prediction sets cheap, against plain sorting.</summary>
[TestClass]
public sealed class RankedClassesTests
{
    /// <summary>Few classes and many, ties, zeros, a single certain class, and probabilities far below the largest; the same object for one
    /// row after the other.</summary>
    [TestMethod]
    [DataRow(2)]
    [DataRow(10)]
    [DataRow(33)]
    [DataRow(128)]
    [DataRow(129)]
    [DataRow(1000)]
    public void ClassesComeInTheOrderOfTheirProbabilities(int classes)
    {
        var random = new Random(classes);
        var ranked = new RankedClasses(classes);
        for (int round = 0; round < 200; round++)
        {
            float[] row = [.. Enumerable.Range(0, classes).Select(_ => (round % 5) switch
            {
                0 => random.NextSingle(),
                1 => random.Next(4) / 4f,
                2 => 0f,
                3 => MathF.Exp(-60 * random.NextSingle()),
                _ => random.NextSingle() * float.Epsilon * 100,
            })];
            if (round % 5 == 2)
                row[random.Next(classes)] = 1;
            int[] expected = [.. Enumerable.Range(0, classes).OrderByDescending(k => row[k]).ThenBy(k => k)];
            if (round % 7 == 3)
                row = [.. row.Select(p => p == 0 ? -0f : p)];
            ranked.Start(row);
            int asked = round % 2 == 0 ? classes : classes / 3;
            List<int> got = [];
            while (got.Count < asked)
                got.AddRange(ranked.Next());
            CollectionAssert.AreEqual(expected[..got.Count], got);
            if (got.Count == classes)
                Assert.AreEqual(0, ranked.Next().Length);
        }
    }

    [TestMethod]
    public void TheThresholdIsTheValueThatSortingGives()
    {
        var random = new Random(7);
        for (int round = 0; round < 400; round++)
        {
            int rows = 1 + random.Next(round < 300 ? 300 : 5_000);
            double[] scores = [.. Enumerable.Range(0, rows).Select(_ => (round % 4) switch
            {
                0 => random.NextDouble(),
                1 => random.Next(3),
                2 => 1.0,
                _ => random.Next(rows),
            })];
            if (round % 8 == 3)
                Array.Sort(scores);
            double coverage = (1 + random.Next(99)) / 100.0;
            double[] sorted = [.. scores.Order()];
            int rank = ((rows + 1) * (int)Math.Round(100 * coverage) + 99) / 100;       // ⌈(n + 1) · coverage⌉
            Assert.AreEqual(rank <= rows ? sorted[rank - 1] : double.PositiveInfinity, ConformalThreshold.Of(scores, coverage));
        }
    }
}
