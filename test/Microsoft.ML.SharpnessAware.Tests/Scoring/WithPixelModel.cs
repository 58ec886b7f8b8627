using System.Collections.Concurrent;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>A model of small pictures, and what a prediction engine says of each by itself.</summary>
public abstract class WithPixelModel
{
    protected static MLContext MLContext { get; } = new(1);

    protected static SharpnessAwareImageClassificationTransformer Model { get; private set; } = null!;

    [ClassInitialize(InheritanceBehavior.BeforeEachDerivedClass)]
    public static void Train(TestContext _) => Model = Fitted.Model(MLContext, Fitted.View(MLContext, Shapes.Pixels(60)));

    [ClassCleanup(InheritanceBehavior.BeforeEachDerivedClass)]
    public static void Free() => Model.Dispose();

    protected static IEnumerable<T> Emptied<T>(ConcurrentQueue<T> queue)
    {
        while (queue.TryDequeue(out T? row))
            yield return row;
    }

    protected static ScoredRow[] Scored(IDataView scored) => [.. MLContext.Data.CreateEnumerable<ScoredRow>(scored, reuseRowObject: false)];

    /// <summary>What a prediction engine says of each row by itself.</summary>
    protected static ScoredRow[] Expected(List<PixelRow> pixels)
    {
        var engine = MLContext.Model.CreatePredictionEngine<PixelRow, ScoredRow>(Model);
        return [.. pixels.Select(engine.Predict)];
    }

    protected static void AssertAreOf(List<PixelRow> pixels, ScoredRow[] scored)
    {
        ScoredRow[] expected = Expected(pixels);
        Assert.HasCount(expected.Length, scored);
        for (int i = 0; i < scored.Length; i++)
        {
            Assert.AreEqual(pixels[i].Number, scored[i].Number);
            Assert.AreEqual(expected[i].PredictedLabel, scored[i].PredictedLabel);
            AssertAreEqual(expected[i].Score, scored[i].Score);
        }
    }

    protected static void AssertAreEqual(float[] expected, float[] actual)
    {
        Assert.HasCount(expected.Length, actual);
        for (int k = 0; k < expected.Length; k++)
            Assert.AreEqual(expected[k], actual[k], 1e-5f);
    }
}
