using System.Security.Cryptography;
using System.Text;
using Microsoft.ML;
using Microsoft.ML.Runtime;
using Microsoft.ML.SharpnessAware;
using TorchSharp;
using static TorchSharp.torch;

[assembly: LoadableClass(typeof(SharpnessAwareImageClassificationTransformer), typeof(ClassifierFile), null, typeof(SignatureLoadModel),
    "Sharpness-aware image classifier", ClassifierFile.LoaderSignature)]

namespace Microsoft.ML.SharpnessAware;

/// <summary>The transformer inside an ML.NET model file: a checked description, and the weights as safetensors.</summary>
internal static class ClassifierFile
{
    public const string LoaderSignature = "SharpnessAwareImage";
    internal const string WeightsName = "weights.safetensors";
    private const uint VersionResizeMode = 0x00010002;

    private static VersionInfo GetVersionInfo() => new(
        modelSignature: "SHARPIMG",
        // verWrittenCur: 0x00010001, // Initial
        verWrittenCur: VersionResizeMode,
        verReadableCur: VersionResizeMode, // an older library would score with another ResizeMode than was trained with
        verWeCanReadBack: 0x00010001,
        loaderSignature: LoaderSignature,
        loaderAssemblyName: typeof(ClassifierFile).Assembly.FullName);

    public static void Save(IHostEnvironment env, ModelSaveContext ctx, ImageClassifier classifier, ClassifierDescription description)
    {
        ctx.CheckAtModel();
        ctx.SetVersionInfo(GetVersionInfo());

        // *** Binary format ***
        // checked block: description (see WriteDescription)
        // Stream weights.safetensors: parameters and buffers by name

        using var weights = new MemoryStream();
        ModuleWeights.Save(classifier.Network, weights);
        byte[] descriptionBytes = WriteDescription(env, classifier, description, weights);
        CheckedBlock.Write(ctx.Writer, descriptionBytes);
        ctx.SaveBinaryStream(WeightsName, writer => writer.Write(weights.GetBuffer().AsSpan(0, (int)weights.Length)));
    }

    /// <summary>The same content in one piece, without ML.NET's zip around it: for checkpoints.</summary>
    public static byte[] ToBytes(IHostEnvironment env, ImageClassifier classifier, ClassifierDescription description)
    {
        using var weights = new MemoryStream();
        ModuleWeights.Save(classifier.Network, weights);
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream, Encoding.UTF8);
        writer.WriteBytes(WriteDescription(env, classifier, description, weights));
        writer.WriteBytes(weights.GetBuffer().AsSpan(0, (int)weights.Length));
        writer.Flush();
        return stream.ToArray();
    }

    /// <summary>Reads what <see cref="ToBytes"/> wrote.</summary>
    /// <exception cref="FormatException">It is damaged.</exception>
    /// <exception cref="InvalidDataException">It is damaged, or of another network than the one that is registered.</exception>
    public static SharpnessAwareImageClassificationTransformer FromBytes(IHostEnvironment env, byte[] bytes)
    {
        NativeBackend.EnsureLoaded();
        using var parts = new BinaryReader(new MemoryStream(bytes, writable: false), Encoding.UTF8);
        using var description = new BinaryReader(new MemoryStream(parts.ReadBytesWithLength(), writable: false), Encoding.UTF8);
        byte[] weights = parts.ReadBytesWithLength();
        return ReadTransformer(env, VersionResizeMode, _ => weights, description);
    }

    // Found by ML.NET by this name and signature.
    internal static SharpnessAwareImageClassificationTransformer Create(IHostEnvironment env, ModelLoadContext ctx)
    {
        ctx.CheckAtModel(GetVersionInfo());
        NativeBackend.EnsureLoaded();
        try
        {
            byte[] description = CheckedBlock.Read(ctx.Reader, "description");
            using var reader = new BinaryReader(new MemoryStream(description, writable: false), Encoding.UTF8);
            return ReadTransformer(env, ctx.Header.ModelVerWritten, length => ReadWeights(ctx, length), reader);
        }
        catch (EndOfStreamException e)
        {
            throw new FormatException("The model file ends in the middle of the classifier: it is cut short. Copy or save it again.", e);
        }
    }

    private static byte[] WriteDescription(IHostEnvironment env, ImageClassifier classifier, ClassifierDescription description, MemoryStream weights)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream, Encoding.UTF8);
        writer.Write(description.FeatureColumnName);
        writer.Write(description.ScoreColumnName);
        writer.Write(description.PredictedLabelColumnName);
        writer.Write(classifier.Architecture);
        writer.Write(classifier.NumberOfClasses);
        writer.Write(classifier.Shape.Channels);
        writer.Write(classifier.Shape.Height);
        writer.Write(classifier.Shape.Width);
        writer.Write((byte)classifier.PixelType);
        writer.Write((byte)classifier.ResizeMode);
        writer.WriteDoubles(classifier.Normalization.Mean);
        writer.WriteDoubles(classifier.Normalization.StandardDeviation);
        writer.Write(description.Temperature);
        writer.WriteMethod(description.Method);
        writer.WriteHistory(description.History);
        writer.Write(weights.Length);
        writer.Write(SHA256.HashData(weights.GetBuffer().AsSpan(0, (int)weights.Length)));
        writer.Write(description.LabelValues is not null);
        writer.Flush();
        description.LabelValues?.Save(env, stream);
        return stream.ToArray();
    }

    private static SharpnessAwareImageClassificationTransformer ReadTransformer(
        IHostEnvironment env, uint version, Func<long, byte[]> readWeights, BinaryReader reader)
    {
        string featureColumnName = reader.ReadString(), scoreColumnName = reader.ReadString(), predictedLabelColumnName = reader.ReadString();
        string architecture = reader.ReadString();
        int numberOfClasses = reader.ReadInt32();
        var shape = new ImageShape(reader.ReadInt32(), reader.ReadInt32(), reader.ReadInt32());
        var pixelType = (ScalarType)reader.ReadByte();
        ResizeMode resizeMode = version >= VersionResizeMode ? reader.ReadResizeMode() : ResizeMode.Stretch;
        double[] mean = reader.ReadDoubles(), standardDeviation = reader.ReadDoubles();
        double temperature = reader.ReadDouble();
        SharpnessAwareMethod method = reader.ReadMethod();
        List<EpochMetrics> history = reader.ReadHistory();
        long weightsLength = reader.ReadInt64();
        byte[] weightsChecksum = reader.ReadBytes(SHA256.HashSizeInBytes);
        LabelValues? labelValues = reader.ReadBoolean() ? LabelValues.Load(env, reader.BaseStream) : null;

        byte[] weights = readWeights(weightsLength);
        CheckedBlock.CheckSum(weights, weightsChecksum, "weights");

        using DisposeScope scope = NewDisposeScope();
        Device device = ComputeDevice.Choose(env, requested: null);
        var network = TorchRandom.Isolated(() => NetworkArchitecture.Create(architecture, numberOfClasses, shape));
        using (var stream = new MemoryStream(weights, writable: false))
            ModuleWeights.Load(network, stream);
        network.to(device);
        network.eval();
        scope.Detach(network.parameters().Concat(network.buffers()));
        var normalization = new Normalization(mean, standardDeviation, device);
        var classifier = new ImageClassifier(architecture, network, device, shape, pixelType, normalization, numberOfClasses)
        {
            ResizeMode = resizeMode,
        };
        return new SharpnessAwareImageClassificationTransformer(env, classifier, new ClassifierDescription
        {
            FeatureColumnName = featureColumnName,
            ScoreColumnName = scoreColumnName,
            PredictedLabelColumnName = predictedLabelColumnName,
            LabelValues = labelValues,
            Method = method,
            Temperature = temperature,
            History = history,
        });
    }

    private static byte[] ReadWeights(ModelLoadContext ctx, long length)
    {
        byte[] weights = [];
        return ctx.TryLoadBinaryStream(WeightsName, reader => weights = CheckedBlock.ReadExactly(reader, length, "weights"))
            ? weights
            : throw new FormatException($"The model file has no {WeightsName}: it is damaged. Copy or save it again.");
    }
}
