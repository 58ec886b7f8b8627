using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What an ONNX file of an image classifier says of itself: SaveOnnx writes it, ScoreOnnxImageClassifier reads it. Both are here, so that
/// they stay together.
/// </summary>
internal sealed record OnnxMetadata
{
    /// <summary>The key by which a file of SaveOnnx is known. Its value is the version of this format.</summary>
    public const string Format = "mlsharpness_format";

    // 1: without label_values
    // 2: without decisions
    private const int Version = 3;

    private const string ArchitectureKey = "architecture", SizeKey = "input_size", PixelTypeKey = "pixel_type",
        PixelOrderKey = "pixel_order", ResizesKey = "resizes", ResizeModeKey = "resize_mode", TemperatureKey = "temperature",
        ClassNamesKey = "class_names", LabelValuesKey = "label_values", DecisionsKey = "decisions";

    private const string Bytes = "uint8", Floats = "float32", ChannelsFirstOrder = "NCHW", ChannelsLastOrder = "NHWC";

    public required string Architecture { get; init; }

    /// <summary>The size that pictures are brought to, and their channels.</summary>
    public required ImageShape Shape { get; init; }

    /// <summary>The type of the pixels that the model was trained on.</summary>
    public required PixelType PixelType { get; init; }

    /// <summary>Whether the input has the channels of a pixel beside each other.</summary>
    public required bool ChannelsLast { get; init; }

    /// <summary>Whether the file takes pictures of any size.</summary>
    public required bool Resizes { get; init; }

    /// <summary>How pictures are brought to the size.</summary>
    public required ResizingKind Resizing { get; init; }

    public required double Temperature { get; init; }

    /// <summary>The classes in the order of Score, as text.</summary>
    public required IReadOnlyList<string> ClassNames { get; init; }

    /// <summary>The label's key values with their type; null where the training label had none.</summary>
    public required LabelValues? LabelValues { get; init; }

    /// <summary>Prediction sets and abstention that are made of the file's Score.</summary>
    public IReadOnlyList<ITransformer> Decisions { get; init; } = [];

    /// <summary>The entries of the file's metadata.</summary>
    /// <param name="env">For ML.NET's encoding of the label values.</param>
    public IReadOnlyDictionary<string, string> Write(IHostEnvironment env)
    {
        using var values = new MemoryStream();
        LabelValues?.Save(env, values);
        return new Dictionary<string, string>
        {
            [Format] = Version.ToString(CultureInfo.InvariantCulture),
            [ArchitectureKey] = Architecture,
            [SizeKey] = string.Create(CultureInfo.InvariantCulture, $"{Shape.Channels},{Shape.Height},{Shape.Width}"),
            [PixelTypeKey] = PixelType == PixelType.Byte ? Bytes : Floats,
            [PixelOrderKey] = ChannelsLast ? ChannelsLastOrder : ChannelsFirstOrder,
            [ResizesKey] = Resizes ? "true" : "false",
            [ResizeModeKey] = Resizing.ToString(),
            [TemperatureKey] = Temperature.ToString("R", CultureInfo.InvariantCulture),
            [ClassNamesKey] = JsonSerializer.Serialize([.. ClassNames], JsonLists.Default.StringArray),
            [LabelValuesKey] = Convert.ToBase64String(values.ToArray()),    // empty where there are none
            [DecisionsKey] = JsonSerializer.Serialize(
                [.. Decisions.Select(decision => DecisionFile.ToBytes(env, decision))], JsonLists.Default.ByteArrayArray),
        };
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <param name="env">For ML.NET's encoding of the label values.</param>
    /// <param name="metadata">The entries, of which <see cref="Format"/> is there.</param>
    /// <exception cref="InvalidDataException">They are damaged, or of a version that is not known.</exception>
    public static OnnxMetadata Read(IHostEnvironment env, IReadOnlyDictionary<string, string> metadata)
    {
        int version = Number(Format, Value(metadata, Format));
        if (version is < 1 or > Version)
        {
            throw new InvalidDataException(
                $"its {Format} is {version}, and this version of the library knows 1 to {Version}: update the library");
        }

        PixelType pixelType = Choose(metadata, PixelTypeKey, (Bytes, PixelType.Byte), (Floats, PixelType.Float32));
        IReadOnlyList<string> names = ReadNames(Value(metadata, ClassNamesKey));
        return new OnnxMetadata
        {
            Architecture = Value(metadata, ArchitectureKey),
            Shape = ReadShape(Value(metadata, SizeKey)),
            PixelType = pixelType,
            ChannelsLast = Choose(metadata, PixelOrderKey, (ChannelsFirstOrder, false), (ChannelsLastOrder, true)),
            Resizes = Choose(metadata, ResizesKey, ("true", true), ("false", false)),
            Resizing = Choose(metadata, ResizeModeKey, [.. Enum.GetValues<ResizingKind>().Select(kind => (kind.ToString(), kind))]),
            Temperature = ReadTemperature(Value(metadata, TemperatureKey)),
            ClassNames = names,
            LabelValues = version == 1 ? LabelValues.OfNames(names) : ReadLabelValues(env, Value(metadata, LabelValuesKey), names),
            Decisions = version <= 2 ? [] : ReadDecisions(env, Value(metadata, DecisionsKey), names.Count),
        };
    }

    private static string Value(IReadOnlyDictionary<string, string> metadata, string key) => metadata.TryGetValue(key, out string? value)
        ? value
        : throw new InvalidDataException($"its metadata has no {key}");

    private static T Choose<T>(IReadOnlyDictionary<string, string> metadata, string key, params IReadOnlyList<(string Text, T Value)> known)
    {
        string text = Value(metadata, key);
        foreach ((string name, T value) in known)
        {
            if (name == text)
                return value;
        }

        throw Wrong(key, text, $"one of {string.Join(", ", known.Select(each => each.Text))}");
    }

    private static ImageShape ReadShape(string text)
    {
        string[] parts = text.Split(',');
        if (parts.Length != 3)
            throw Wrong(SizeKey, text, "channels, height and width");
        var shape = new ImageShape(Number(SizeKey, parts[0]), Number(SizeKey, parts[1]), Number(SizeKey, parts[2]));
        bool isPossible = shape.Channels >= 1 && shape.Height is >= 1 and <= ImageRequest.MaxSide
            && shape.Width is >= 1 and <= ImageRequest.MaxSide
            && (long)shape.Channels * shape.Height * shape.Width <= Array.MaxLength / sizeof(float);
        return isPossible ? shape : throw Wrong(SizeKey, text, $"a size with sides up to {ImageRequest.MaxSide}");
    }

    private static int Number(string key, string text) =>
        int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number)
            ? number
            : throw Wrong(key, text, "a whole number");

    private static double ReadTemperature(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double temperature)
        && double.IsFinite(temperature) && temperature > 0
            ? temperature
            : throw Wrong(TemperatureKey, text, "a positive number");

    private static IReadOnlyList<string> ReadNames(string text)
    {
        try
        {
            if (JsonSerializer.Deserialize(text, JsonLists.Default.StringArray) is string?[] names && names.Length >= 1
                && names.All(name => name is not null) && names.Distinct().Count() == names.Length)
                return names!;
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"its {ClassNamesKey} is not a list of strings: {e.Message}", e);
        }

        throw Wrong(ClassNamesKey, text, "a list of names, each another");
    }

    private static LabelValues? ReadLabelValues(IHostEnvironment env, string text, IReadOnlyList<string> names)
    {
        if (text.Length == 0)
            return null;
        LabelValues values;
        try
        {
            using var stream = new MemoryStream(Convert.FromBase64String(text), writable: false);
            values = LabelValues.Load(env, stream, names.Count);
        }
        catch (Exception e) when (e is FormatException or IOException)
        {
            throw new InvalidDataException($"its {LabelValuesKey} cannot be read: {e.Message.TrimEnd('.')}", e);
        }

        return values.Names.SequenceEqual(names)
            ? values
            : throw new InvalidDataException($"its {LabelValuesKey} and {ClassNamesKey} name other classes");
    }

    private static ITransformer[] ReadDecisions(IHostEnvironment env, string text, int numberOfClasses)
    {
        try
        {
            ITransformer[] decisions = [.. (JsonSerializer.Deserialize(text, JsonLists.Default.ByteArrayArray) ?? []).Select(bytes =>
            {
                using var reader = new BinaryReader(new MemoryStream(bytes ?? [], writable: false), Encoding.UTF8);
                return DecisionFile.Read(env, reader);
            })];
            return decisions.All(decision => numberOfClasses == (decision as PredictionSetTransformer)?.NumberOfClasses
                || numberOfClasses == (decision as AbstentionTransformer)?.NumberOfClasses) ? decisions
                : throw new FormatException("they are of other classes");
        }
        catch (Exception e) when (e is JsonException or FormatException or IOException)
        {
            throw new InvalidDataException($"its {DecisionsKey} cannot be read: {e.Message.TrimEnd('.')}", e);
        }
    }

    private static InvalidDataException Wrong(string key, string found, string expected) =>
        new($"its {key} is '{(found.Length <= 100 ? found : found[..100] + "…")}', not {expected}");
}
