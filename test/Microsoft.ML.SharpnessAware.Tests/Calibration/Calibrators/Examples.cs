using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>Points of three classes, a few of them named wrongly, for ML.NET's own trainers.</summary>
internal static class Examples
{
    public static readonly string[] Names = ["left", "low", "high"];

    public static IDataView Data(MLContext mlContext, int count, int seed = 1, bool numbers = false)
    {
        var random = new Random(seed);
        Example[] rows = [.. Enumerable.Range(0, count).Select(i =>
        {
            int k = i % 3, named = random.NextDouble() < 0.2 ? random.Next(3) : k;
            return new Example
            {
                Name = Names[named],
                Number = 10 * (named + 1),
                Features = [(k == 0 ? 0.3f : 0.7f) + Noise(), (k == 1 ? 0.3f : 0.7f) + Noise()],
            };
        })];
        IDataView data = mlContext.Data.LoadFromEnumerable(rows);
        return mlContext.Transforms.Conversion.MapValueToKey("Label", numbers ? "Number" : "Name",
            keyOrdinality: Transforms.ValueToKeyMappingEstimator.KeyOrdinality.ByValue).Fit(data).Transform(data);

        float Noise() => 0.3f * (random.NextSingle() - 0.5f);
    }

    /// <summary>Scored by ML.NET's maximum entropy trainer.</summary>
    public static IDataView Scored(MLContext mlContext, int count, bool numbers = false) =>
        mlContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy().Fit(Data(mlContext, 300, 2, numbers))
            .Transform(Data(mlContext, count, 3, numbers));
}

internal sealed class Example
{
    public string Name { get; set; } = "";

    public int Number { get; set; }

    [VectorType(2)]
    public float[] Features { get; set; } = [];
}
