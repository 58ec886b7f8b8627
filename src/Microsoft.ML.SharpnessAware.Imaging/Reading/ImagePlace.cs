using System.Globalization;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Where an image is in the data, for messages.</summary>
/// <param name="Column">The name of its column.</param>
/// <param name="Row">Its row in the source, counted from 0.</param>
/// <param name="Path">The path of its file; empty where the data has none.</param>
internal readonly record struct ImagePlace(string Column, long Row, string Path)
{
    /// <summary>What is wrong with the image, with where it is.</summary>
    public InvalidOperationException Error(Exception exception)
    {
        string where = string.Create(CultureInfo.InvariantCulture, $"Column '{Column}', row {Row} (counting from 0)");
        if (Path.Length > 0)
            where += $", '{Path}'";
        return exception is InvalidDataException
            ? new InvalidOperationException($"{where}: {exception.Message}", exception)
            : new InvalidOperationException($"{where}: the image could not be read. {exception.Message}", exception);
    }
}
