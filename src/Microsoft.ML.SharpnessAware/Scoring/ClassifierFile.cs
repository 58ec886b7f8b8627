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
    private const string WeightsName = "weights.safetensors";

    private static VersionInfo GetVersionInfo() => new(
        modelSignature: "SHARPIMG",
        verWrittenCur: 0x00010001, // Initial
        verReadableCur: 0x00010001,
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

    // Found by ML.NET by this name and signature.
    private static SharpnessAwareImageClassificationTransformer Create(IHostEnvironment env, ModelLoadContext ctx)
    {
        ctx.CheckAtModel(GetVersionInfo());
        NativeBackend.EnsureLoaded();
        try
        {
            byte[] description = CheckedBlock.Read(ctx.Reader, "description");
            using var reader = new BinaryReader(new MemoryStream(description, writable: false), Encoding.UTF8);
            return ReadTransformer(env, ctx, reader);
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

    private static SharpnessAwareImageClassificationTransformer ReadTransformer(IHostEnvironment env, ModelLoadContext ctx, BinaryReader reader)
    {
        string featureColumnName = reader.ReadString(), scoreColumnName = reader.ReadString(), predictedLabelColumnName = reader.ReadString();
        string architecture = reader.ReadString();
        int numberOfClasses = reader.ReadInt32();
        var shape = new ImageShape(reader.ReadInt32(), reader.ReadInt32(), reader.ReadInt32());
        var pixelType = (ScalarType)reader.ReadByte();
        double[] mean = reader.ReadDoubles(), standardDeviation = reader.ReadDoubles();
        double temperature = reader.ReadDouble();
        SharpnessAwareMethod method = reader.ReadMethod();
        List<EpochMetrics> history = reader.ReadHistory();
        long weightsLength = reader.ReadInt64();
        byte[] weightsChecksum = reader.ReadBytes(SHA256.HashSizeInBytes);
        LabelValues? labelValues = reader.ReadBoolean() ? LabelValues.Load(env, reader.BaseStream) : null;

        byte[] weights = [];
        if (!ctx.TryLoadBinaryStream(WeightsName, weightsReader => weights = CheckedBlock.ReadExactly(weightsReader, weightsLength, "weights")))
            throw new FormatException($"The model file has no {WeightsName}: it is damaged. Copy or save it again.");
        CheckedBlock.CheckSum(weights, weightsChecksum, "weights");

        using DisposeScope scope = NewDisposeScope();
        Device device = ComputeDevice.Choose(env, requested: null);
        var network = NetworkArchitecture.Create(architecture, numberOfClasses, shape);
        using (var stream = new MemoryStream(weights, writable: false))
            ModuleWeights.Load(network, stream);
        network.to(device);
        network.eval();
        scope.Detach(network.parameters().Concat(network.buffers()));
        var normalization = new Normalization(mean, standardDeviation, device);
        var classifier = new ImageClassifier(architecture, network, device, shape, pixelType, normalization, numberOfClasses);
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
}
