using System.Globalization;
using System.Text.Json;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A classifier's weights as a safetensors file for other programs, and what is said beside them.</summary>
internal static class WeightsFile
{
    // Keys of the metadata. "format" is what Hugging Face's libraries look for.
    private const string Format = "format";
    private const string Architecture = "architecture";
    private const string InputSize = "input_size";
    private const string PixelType = "pixel_type";
    private const string PixelMean = "pixel_mean";
    private const string PixelStandardDeviation = "pixel_std";
    private const string Temperature = "temperature";
    private const string ClassNames = "class_names";

    /// <exception cref="IOException">The file cannot be written; what was there before still is.</exception>
    public static void Save(string path, ImageClassifier classifier, double temperature, IReadOnlyList<string> classNames) =>
        AtomicFile.Write(path, file => ModuleWeights.Save(classifier.Network, file, Metadata(classifier, temperature, classNames)));

    /// <summary>The normalisation that the metadata tells; null where it tells none.</summary>
    /// <exception cref="InvalidDataException">It tells one that makes no sense.</exception>
    public static PixelStatistics? ReadStatistics(IReadOnlyDictionary<string, string> metadata)
    {
        if (!metadata.TryGetValue(PixelType, out string? type) || !metadata.TryGetValue(PixelMean, out string? mean)
            || !metadata.TryGetValue(PixelStandardDeviation, out string? deviation))
            return null;
        try
        {
            ScalarType pixelType = type switch
            {
                "uint8" => ScalarType.Byte,
                "float32" => ScalarType.Float32,
                _ => throw new FormatException($"{PixelType} is '{type}', not uint8 or float32"),
            };
            return new PixelStatistics(Numbers(mean), Numbers(deviation), pixelType);
        }
        catch (Exception e) when (e is FormatException or ArgumentException)
        {
            throw new InvalidDataException($"The file's metadata is damaged: {e.Message}", e);
        }
    }

    /// <summary>The images that the network was made for, where the metadata tells; else null. Other programs may write something else by
    /// this name.</summary>
    public static ImageShape? ReadShape(IReadOnlyDictionary<string, string> metadata)
    {
        int[] sizes = [.. metadata.GetValueOrDefault(InputSize, "").Split(',')
            .Select(size => int.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : 0)];
        return sizes is [> 0 and int channels, > 0 and int height, > 0 and int width] ? new ImageShape(channels, height, width) : null;
    }

    /// <summary>The names of the classes, where the metadata has a list of such, each another; else null. Other programs may write
    /// something else by this name.</summary>
    public static IReadOnlyList<string>? ReadClassNames(IReadOnlyDictionary<string, string> metadata)
    {
        try
        {
            string?[] found = JsonSerializer.Deserialize(metadata.GetValueOrDefault(ClassNames, "[]"), JsonLists.Default.StringArray) ?? [];
            string[] names = [.. found.OfType<string>().Distinct(StringComparer.Ordinal)];
            return names.Length == found.Length ? names : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static Dictionary<string, string> Metadata(
        ImageClassifier classifier, double temperature, IReadOnlyList<string> classNames) => new()
    {
        [Format] = "pt",
        [Architecture] = classifier.Architecture,
        [InputSize] = $"{classifier.Shape.Channels},{classifier.Shape.Height},{classifier.Shape.Width}",
        [PixelType] = classifier.PixelType == ScalarType.Byte ? "uint8" : "float32",
        [PixelMean] = Text(classifier.Normalization.Statistics.Mean),
        [PixelStandardDeviation] = Text(classifier.Normalization.Statistics.StandardDeviation),
        [Temperature] = temperature.ToString("R", CultureInfo.InvariantCulture),
        [ClassNames] = JsonSerializer.Serialize([.. classNames], JsonLists.Default.StringArray),
    };

    private static string Text(IReadOnlyList<double> numbers) =>
        string.Join(',', numbers.Select(number => number.ToString("R", CultureInfo.InvariantCulture)));

    private static double[] Numbers(string text) =>
        [.. text.Split(',').Select(number => double.Parse(number, NumberStyles.Float, CultureInfo.InvariantCulture))];
}
