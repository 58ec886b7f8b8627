using System.Globalization;

namespace Microsoft.ML.SharpnessAware;

/// <summary>What rounding to small integers did to a model, on the images that it was done with.</summary>
public sealed class OnnxQuantizationReport
{
    internal OnnxQuantizationReport()
    {
    }

    /// <summary>How well the model does in float32; null where the images have no labels.</summary>
    public MulticlassCalibrationMetrics? Before { get; internal init; }

    /// <summary>How well the model in the file does, with the temperature fitted again; null where the images have no labels.</summary>
    public MulticlassCalibrationMetrics? After { get; internal init; }

    /// <summary>The temperature of the model in float32.</summary>
    public double TemperatureBefore { get; internal init; }

    /// <summary>The temperature in the file: that with which its probabilities are closest to those in float32.</summary>
    public double TemperatureAfter { get; internal init; }

    /// <summary>How many images there were.</summary>
    public int Count { get; internal init; }

    /// <summary>The share of them that both give the same class, from 0 to 1.</summary>
    public double SameClass { get; internal init; }

    /// <summary>The size of the file in float32, in bytes.</summary>
    public long BytesBefore { get; internal init; }

    /// <summary>The size of the file, in bytes.</summary>
    public long BytesAfter { get; internal init; }

    /// <summary>The figures as a table of text.</summary>
    public override string ToString()
    {
        var rows = new List<string>
        {
            Row("", "float32", "int8"),
            Row("Kilobytes", Number(BytesBefore / 1e3, "F0"), Number(BytesAfter / 1e3, "F0")),
            Row("Temperature", Number(TemperatureBefore, "F3"), Number(TemperatureAfter, "F3")),
        };
        if (Before is not null && After is not null)
        {
            rows.Add(Row("Accuracy", Percent(Before.Accuracy), Percent(After.Accuracy)));
            rows.Add(Row("Expected calibration error", Percent(Before.ExpectedCalibrationError), Percent(After.ExpectedCalibrationError)));
            rows.Add(Row("Log loss", Number(Before.LogLoss, "F4"), Number(After.LogLoss, "F4")));
        }

        rows.Add(string.Create(CultureInfo.InvariantCulture, $"{Count} images, of which {Percent(SameClass)} get the same class."));
        return string.Join(Environment.NewLine, rows);
    }

    private static string Row(string name, string before, string after) => $"{name,-28}{before,12}{after,12}";

    private static string Percent(double share) => Number(100 * share, "F2") + " %";

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
