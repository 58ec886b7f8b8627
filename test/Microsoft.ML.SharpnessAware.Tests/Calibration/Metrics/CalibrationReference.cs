using System.Text.Json;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>Scores, labels and the values that published code computes from them.</summary>
internal sealed class CalibrationReference
{
    private readonly JsonElement _expected;

    private CalibrationReference(JsonElement root)
    {
        NumberOfClasses = root.GetProperty("classes").GetInt32();
        Labels = [.. root.GetProperty("labels").EnumerateArray().Select(label => label.GetInt32())];
        Scores = [.. root.GetProperty("scores").EnumerateArray()
            .SelectMany(row => row.EnumerateArray()).Select(score => score.GetSingle())];
        _expected = root.GetProperty("expected").Clone();
    }

    public int NumberOfClasses { get; }

    public int[] Labels { get; }

    public float[] Scores { get; }

    public double this[string name] => _expected.GetProperty(name).GetDouble();

    public long[] BinCounts => [.. _expected.GetProperty("bin_counts15").EnumerateArray().Select(count => count.GetInt64())];

    public static CalibrationReference Load(string name)
    {
        using JsonDocument document = JsonDocument.Parse(
            File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Assets", $"calibration_{name}.json")));
        return new CalibrationReference(document.RootElement);
    }
}
