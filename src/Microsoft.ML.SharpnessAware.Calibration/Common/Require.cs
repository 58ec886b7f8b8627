namespace Microsoft.ML.SharpnessAware;

/// <summary>Range checks of settings. Each returns the value, or throws with the setting's name, value and allowed range.</summary>
internal static class Require
{
    public static double NonNegative(double value, string name) =>
        value >= 0 && double.IsFinite(value) ? value : throw OutOfRange(value, name, "a finite number that is at least 0");

    public static double Positive(double value, string name) =>
        value > 0 && double.IsFinite(value) ? value : throw OutOfRange(value, name, "a finite number above 0");

    /// <summary>At least 0, and not beyond what float32 tensors can be multiplied by.</summary>
    public static double NonNegativeFloat(double value, string name) =>
        value is >= 0 and <= float.MaxValue ? value : throw OutOfRange(value, name, "at least 0 and at most 3.4·10³⁸, the largest float");

    /// <summary>Above 0 as a float32, and not beyond the largest.</summary>
    public static double PositiveFloat(double value, string name, string advice = "") =>
        (float)value > 0 && value <= float.MaxValue
            ? value
            : throw OutOfRange(value, name, "a number above 0 and at most 3.4·10³⁸, the largest float", advice);

    public static double Within(double value, double minimum, double maximum, string name) =>
        value >= minimum && value <= maximum
            ? value
            : throw OutOfRange(value, name, Invariant($"in [{minimum}, {maximum}]"));

    /// <summary>In [0, 1).</summary>
    public static double BelowOne(double value, string name) =>
        value is >= 0 and < 1 ? value : throw OutOfRange(value, name, "at least 0 and below 1");

    /// <summary>In (0, 1).</summary>
    public static double Share(double value, string name) =>
        value is > 0 and < 1 ? value : throw OutOfRange(value, name, "above 0 and below 1");

    /// <summary>One of the values that have a name.</summary>
    public static T Defined<T>(T value, string name)
        where T : struct, Enum =>
        Enum.IsDefined(value) ? value : throw new ArgumentOutOfRangeException(name, value,
            $"{name} must be one of {string.Join(", ", Enum.GetNames<T>())}.");

    private static ArgumentOutOfRangeException OutOfRange(double value, string name, string allowed, string advice = "") =>
        new(name, value, $"{name} must be {allowed}.{advice}");
}
