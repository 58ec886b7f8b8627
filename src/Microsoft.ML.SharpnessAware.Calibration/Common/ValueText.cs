using System.Globalization;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The values of classes, groups and others as text.</summary>
internal static class ValueText
{
    /// <summary>A value as text. Two values never have one text: the usual one of a date would leave fractions of a second out. Whether a
    /// date is local or universal is not told: ML.NET's files do not keep it, and the text is the same after loading.</summary>
    public static string Of<T>(T value) => value switch
    {
        DateTime date => DateTime.SpecifyKind(date, DateTimeKind.Unspecified).ToString(
            date.TimeOfDay == TimeSpan.Zero ? "yyyy-MM-dd" : "O", CultureInfo.InvariantCulture),
        DateTimeOffset date => date.ToString("O", CultureInfo.InvariantCulture),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };
}
