namespace Microsoft.ML.SharpnessAware;

/// <summary>How the values of a model's description are written, and read again in the same order.</summary>
internal static class DescriptionFormat
{
    public static void WriteMethod(this BinaryWriter writer, SharpnessAwareMethod method)
    {
        writer.Write(method.Rho);
        writer.Write(method.Adaptive);
        writer.Write(method.NormalizeAscent);
        writer.Write(method.Renormalize);
        writer.Write(method.Gamma);
    }

    public static SharpnessAwareMethod ReadMethod(this BinaryReader reader) => SharpnessAwareMethod.Standard with
    {
        Rho = reader.ReadDouble(),
        Adaptive = reader.ReadBoolean(),
        NormalizeAscent = reader.ReadBoolean(),
        Renormalize = reader.ReadBoolean(),
        Gamma = reader.ReadDouble(),
    };

    /// <summary>What of a method came later, and stands at the end.</summary>
    public static void WritePartialClimbs(this BinaryWriter writer, SharpnessAwareMethod method)
    {
        writer.Write(method.LatePhase);
        writer.Write(method.AscentShare);
        writer.Write(method.Period);
    }

    public static SharpnessAwareMethod ReadPartialClimbs(this BinaryReader reader, SharpnessAwareMethod method) => method with
    {
        LatePhase = reader.ReadDouble(),
        AscentShare = reader.ReadDouble(),
        Period = reader.ReadInt32(),
    };

    public static ResizingKind ReadResizingKind(this BinaryReader reader)
    {
        var mode = (ResizingKind)reader.ReadByte();
        return Enum.IsDefined(mode)
            ? mode
            : throw new FormatException(
                $"The model file asks for resize mode {(int)mode}, which this version does not know: update the library.");
    }

    public static void WriteHistory(this BinaryWriter writer, IReadOnlyList<EpochMetrics> history)
    {
        writer.Write(history.Count);
        foreach (EpochMetrics epoch in history)
        {
            writer.Write(epoch.Epoch);
            writer.Write(epoch.TotalEpochs);
            writer.Write(epoch.TrainLoss);
            writer.Write(epoch.ValidationAccuracy);
            writer.Write(epoch.ValidationLogLoss);
            writer.Write(epoch.ValidationExpectedCalibrationError);
            writer.Write(epoch.LearningRate);
            writer.Write(epoch.ImagesPerSecond);
            writer.Write(epoch.Duration.Ticks);
        }
    }

    public static List<EpochMetrics> ReadHistory(this BinaryReader reader)
    {
        int count = reader.ReadCount();
        var history = new List<EpochMetrics>();
        for (int i = 0; i < count; i++)
        {
            history.Add(new EpochMetrics
            {
                Epoch = reader.ReadInt32(),
                TotalEpochs = reader.ReadInt32(),
                TrainLoss = reader.ReadDouble(),
                ValidationAccuracy = reader.ReadDouble(),
                ValidationLogLoss = reader.ReadDouble(),
                ValidationExpectedCalibrationError = reader.ReadDouble(),
                LearningRate = reader.ReadDouble(),
                ImagesPerSecond = reader.ReadDouble(),
                Duration = TimeSpan.FromTicks(reader.ReadInt64()),
            });
        }
        return history;
    }

    /// <summary>What of a history came later, and stands at the end.</summary>
    public static void WriteRefinements(this BinaryWriter writer, IReadOnlyList<EpochMetrics> history) =>
        writer.WriteDoubles([.. history.Select(epoch => epoch.ValidationRefinement)]);

    /// <exception cref="FormatException">There are not as many as epochs.</exception>
    public static List<EpochMetrics> ReadRefinements(this BinaryReader reader, List<EpochMetrics> history)
    {
        double[] refinements = reader.ReadDoubles();
        return refinements.Length == history.Count
            ? [.. history.Zip(refinements, (epoch, refinement) => epoch with { ValidationRefinement = refinement })]
            : throw new FormatException($"The model file has {refinements.Length} refinements of {history.Count} epochs: it is damaged. " +
                "Copy or save it again.");
    }

    public static void WriteDoubles(this BinaryWriter writer, IReadOnlyList<double> values)
    {
        writer.Write(values.Count);
        foreach (double value in values)
            writer.Write(value);
    }

    public static double[] ReadDoubles(this BinaryReader reader)
    {
        int count = reader.ReadCount();
        var values = new List<double>();
        for (int i = 0; i < count; i++)
            values.Add(reader.ReadDouble());
        return [.. values];
    }

    // Lists grow with what is there; no count makes one large beforehand.
    private static int ReadCount(this BinaryReader reader) => reader.ReadInt32() is >= 0 and int count
        ? count
        : throw new FormatException("The model file has a list of a negative length: it is damaged. Copy or save it again.");
}
