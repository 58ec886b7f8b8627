using System.Globalization;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Reads a calibrator's parameters and believes none of them.</summary>
internal sealed class CalibratorReader(IHostEnvironment environment, BinaryReader reader, int numberOfClasses, double floor)
{
    public IHostEnvironment Environment { get; } = environment;

    public int NumberOfClasses { get; } = numberOfClasses;

    /// <summary>The least that a probability counts; see <see cref="LogProbabilities"/>.</summary>
    public double Floor { get; } = floor;

    public static FormatException Damaged(FormattableString problem) => new(
        $"The calibrator in the model file cannot be used: {problem.ToString(CultureInfo.InvariantCulture)}. "
        + "The file is damaged; copy or save it again.");

    public double Finite(string what)
    {
        double value = reader.ReadDouble();
        return double.IsFinite(value) ? value : throw Damaged($"its {what} is {value}");
    }

    public double Temperature()
    {
        double temperature = Finite("temperature");
        return temperature is >= TemperatureScaling.MinimumTemperature and <= TemperatureScaling.MaximumTemperatureOfLogits
            ? temperature
            : throw Damaged($"its temperature is {temperature}");
    }

    public double[] FiniteArray(long count, string what)
    {
        CheckLength(count, sizeof(double), what);
        double[] values = new double[count];
        for (int i = 0; i < values.Length; i++)
            values[i] = Finite(what);
        return values;
    }

    public float[] SingleArray(int count, string what)
    {
        CheckLength(count, sizeof(float), what);
        float[] values = new float[count];
        for (int i = 0; i < values.Length; i++)
            values[i] = reader.ReadSingle();
        return values;
    }

    public int Count() => reader.ReadInt32();

    // Before the array is allocated.
    private void CheckLength(long count, int size, string what)
    {
        long left = reader.BaseStream.Length - reader.BaseStream.Position;
        if (count < 0 || count > left / size)
            throw Damaged($"its {what} should be {count} numbers, but {left} bytes are left");
    }
}
