using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>Points of three classes, a few of them named wrongly, for ML.NET's own trainers.</summary>
internal static class Examples
{
    public static readonly string[] Names = ["left", "low", "high"];

    // Counted from 0, as ML.NET counts keys in objects, and not in order: a key and the place of its class differ.
    private static readonly uint[] Keys = [1, 0, 2];

    /// <param name="mlContext">Where to.</param>
    /// <param name="count">How many.</param>
    /// <param name="seed">Of the points.</param>
    /// <param name="label">Of what Label is made: the Name, the Number, or Key, which is a key without values itself.</param>
    public static IDataView Data(MLContext mlContext, int count, int seed = 1, string label = nameof(Example.Name))
    {
        var random = new Random(seed);
        Example[] rows = [.. Enumerable.Range(0, count).Select(i =>
        {
            int k = i % 3, named = random.NextDouble() < 0.2 ? random.Next(3) : k;
            return new Example
            {
                Name = Names[named],
                Number = 10 * (named + 1),
                Key = Keys[named],
                Features = [(k == 0 ? 0.3f : 0.7f) + Noise(), (k == 1 ? 0.3f : 0.7f) + Noise()],
            };
        })];
        IDataView data = mlContext.Data.LoadFromEnumerable(rows);
        return mlContext.Transforms.Conversion.MapValueToKey("Label", label,
            keyOrdinality: label == nameof(Example.Key) ? Transforms.ValueToKeyMappingEstimator.KeyOrdinality.ByOccurrence
                : Transforms.ValueToKeyMappingEstimator.KeyOrdinality.ByValue).Fit(data).Transform(data);

        float Noise() => 0.3f * (random.NextSingle() - 0.5f);
    }

    /// <summary>Scored by ML.NET's maximum entropy trainer.</summary>
    public static IDataView Scored(MLContext mlContext, int count, string label = nameof(Example.Name)) =>
        mlContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy().Fit(Data(mlContext, 300, 2, label))
            .Transform(Data(mlContext, count, 3, label));
}

internal sealed class Example
{
    public string Name { get; set; } = "";

    public int Number { get; set; }

    [KeyType(3)]
    public uint Key { get; set; }

    [VectorType(2)]
    public float[] Features { get; set; } = [];
}
