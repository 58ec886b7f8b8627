using System.Globalization;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The logits of rows in one array, [rows × classes].</summary>
internal static class LogitArray
{
    /// <summary>Its length.</summary>
    /// <param name="rows">How many images.</param>
    /// <param name="classes">Logits of each.</param>
    /// <param name="advice">What to do where they are too many.</param>
    /// <exception cref="InvalidOperationException">It would be longer than an array may be.</exception>
    public static int Length(long rows, int classes, string advice = "Give fewer images at a time.")
    {
        long length = checked(rows * classes);
        return length <= Array.MaxLength ? (int)length : throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture,
            $"{rows} images of {classes} classes have {length} logits, more than the {Array.MaxLength} that an array holds, so that at " +
            $"most {Array.MaxLength / classes} images can be validated on. {advice}"));
    }
}
