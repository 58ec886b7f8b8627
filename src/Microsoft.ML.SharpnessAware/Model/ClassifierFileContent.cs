using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.Runtime;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The description in a model file: written, and read again in the same order and checked.</summary>
internal sealed record ClassifierFileContent
{
    public required string Architecture { get; init; }

    public required int NumberOfClasses { get; init; }

    public required ImageShape Shape { get; init; }

    public required ScalarType PixelType { get; init; }

    public required ResizingKind Resizing { get; init; }

    public required PixelStatistics Statistics { get; init; }

    public required long WeightsLength { get; init; }

    public required byte[] WeightsChecksum { get; init; }

    public required ClassifierDescription Description { get; init; }

    /// <param name="env">For writing label values.</param>
    public byte[] ToBytes(IHostEnvironment env)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream, Encoding.UTF8);
        writer.Write(Description.FeatureColumnName);
        writer.Write(Description.ScoreColumnName);
        writer.Write(Description.PredictedLabelColumnName);
        writer.Write(Architecture);
        writer.Write(NumberOfClasses);
        writer.Write(Shape.Channels);
        writer.Write(Shape.Height);
        writer.Write(Shape.Width);
        writer.Write((byte)PixelType);
        writer.Write((byte)Resizing);
        writer.WriteDoubles(Statistics.Mean);
        writer.WriteDoubles(Statistics.StandardDeviation);
        writer.Write(Description.Temperature);
        writer.WriteMethod(Description.Method);
        writer.WriteHistory(Description.History);
        writer.Write(WeightsLength);
        writer.Write(WeightsChecksum);
        writer.Write(Description.LabelValues is not null);
        writer.Flush();
        Description.LabelValues?.Save(env, stream);
        writer.WritePartialClimbs(Description.Method);
        writer.WriteRefinements(Description.History);
        writer.Flush();
        return stream.ToArray();
    }

    /// <param name="env">For reading label values.</param>
    /// <param name="bytes">The description.</param>
    /// <param name="hasResizeMode">False for files of the first version.</param>
    /// <exception cref="FormatException">It is damaged.</exception>
    public static ClassifierFileContent Read(IHostEnvironment env, byte[] bytes, bool hasResizeMode)
    {
        using var reader = new BinaryReader(new MemoryStream(bytes, writable: false), Encoding.UTF8);
        try
        {
            ClassifierFileContent content = Read(env, reader, hasResizeMode);
            content.Check();
            return content;
        }
        catch (IOException e)
        {
            throw Damaged($"it ends early, or a text has a negative length", e);
        }
        catch (ArgumentException e)
        {
            throw Damaged($"{e.Message}", e); // a number of the normalisation or the method
        }
    }

    private static ClassifierFileContent Read(IHostEnvironment env, BinaryReader reader, bool hasResizeMode)
    {
        string featureColumnName = reader.ReadString(), scoreColumnName = reader.ReadString(), predictedLabelColumnName =
            reader.ReadString();
        string architecture = reader.ReadString();
        int numberOfClasses = reader.ReadInt32();
        var shape = new ImageShape(reader.ReadInt32(), reader.ReadInt32(), reader.ReadInt32());
        var pixelType = (ScalarType)reader.ReadByte();
        ResizingKind resizing = hasResizeMode ? reader.ReadResizingKind() : ResizingKind.Fill;
        double[] mean = reader.ReadDoubles(), standardDeviation = reader.ReadDoubles();
        double temperature = reader.ReadDouble();
        SharpnessAwareMethod method = reader.ReadMethod();
        List<EpochMetrics> history = reader.ReadHistory();
        long weightsLength = reader.ReadInt64();
        byte[] weightsChecksum = reader.ReadBytes(SHA256.HashSizeInBytes);
        LabelValues? labelValues = reader.ReadBoolean() ? LabelValues.Load(env, reader.BaseStream, numberOfClasses) : null;
        if (reader.BaseStream.Position < reader.BaseStream.Length)
            method = reader.ReadPartialClimbs(method);
        if (reader.BaseStream.Position < reader.BaseStream.Length)
            history = reader.ReadRefinements(history);
        return new ClassifierFileContent
        {
            Architecture = architecture,
            NumberOfClasses = numberOfClasses,
            Shape = shape,
            PixelType = pixelType,
            Resizing = resizing,
            Statistics = new PixelStatistics(mean, standardDeviation, pixelType),
            WeightsLength = weightsLength,
            WeightsChecksum = weightsChecksum,
            Description = new ClassifierDescription
            {
                FeatureColumnName = featureColumnName,
                ScoreColumnName = scoreColumnName,
                PredictedLabelColumnName = predictedLabelColumnName,
                LabelValues = labelValues,
                Method = method,
                Temperature = temperature,
                History = history,
            },
        };
    }

    private void Check()
    {
        string[] names = [Description.FeatureColumnName, Description.ScoreColumnName, Description.PredictedLabelColumnName, Architecture];
        if (names.Any(string.IsNullOrWhiteSpace))
            throw Damaged($"a name is empty");
        if (NumberOfClasses < 1)
            throw Damaged($"it has {NumberOfClasses} classes");
        if (Shape.Channels < 1 || !IsSide(Shape.Height) || !IsSide(Shape.Width)
            || (long)Shape.Height * Shape.Width > int.MaxValue / Shape.Channels)
            throw Damaged($"its images have {Shape.Channels} × {Shape.Height} × {Shape.Width} values");
        if (PixelType is not (ScalarType.Byte or ScalarType.Float32))
            throw Damaged($"its pixels are of type {(int)PixelType}");
        if (Statistics.Mean.Count != Shape.Channels)
            throw Damaged($"its images have {Shape.Channels} channels, and it has means and deviations of {Statistics.Mean.Count}");
        if (!(Description.Temperature > 0 && double.IsFinite(Description.Temperature)))
            throw Damaged($"its temperature is {Description.Temperature}");

        static bool IsSide(int side) => side is >= 1 and <= ImageRequest.MaxSide;
    }

    private static FormatException Damaged(FormattableString problem, Exception? inner = null) => new(
        $"The description in the model file cannot be used: {problem.ToString(CultureInfo.InvariantCulture)}. " +
        "The file is damaged; copy or save it again.",
        inner);
}
