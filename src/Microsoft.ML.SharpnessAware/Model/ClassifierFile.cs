using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The classifier inside an ML.NET model file: a checked description, and the weights as safetensors.</summary>
internal static class ClassifierFile
{
    public const string LoaderSignature = "SharpnessAwareImage";
    internal const string WeightsName = "weights.safetensors";
    private const uint VersionResizeMode = 0x00010002, VersionPartialClimbs = 0x00010003, VersionRefinements = 0x00010004;

    private static VersionInfo GetVersionInfo() => GetVersionInfo("SHARPIMG", LoaderSignature, verWeCanReadBack: 0x00010001);

    /// <summary>The versions of a file of this format, under signatures of one's own.</summary>
    public static VersionInfo GetVersionInfo(string modelSignature, string loaderSignature,
        uint verWeCanReadBack = VersionPartialClimbs) => new(
        modelSignature: modelSignature,
        // verWrittenCur: 0x00010001, // Initial
        // 0x00010002: Resizing
        // 0x00010003: climbs in part of the steps, at the end of the description, which older libraries read without it
        // 0x00010004: the refinement of each epoch, likewise
        verWrittenCur: VersionRefinements,
        verReadableCur: VersionResizeMode, // an older library would score with another Resizing than was trained with
        verWeCanReadBack: verWeCanReadBack,
        loaderSignature: loaderSignature,
        loaderAssemblyName: typeof(ClassifierFile).Assembly.FullName);

    /// <param name="env">For writing label values.</param>
    /// <param name="ctx">Where to.</param>
    /// <param name="classifier">The network.</param>
    /// <param name="description">What is known beside it.</param>
    /// <param name="version">Null for a classifier's.</param>
    public static void Save(
        IHostEnvironment env, ModelSaveContext ctx, ImageClassifier classifier, ClassifierDescription description,
        VersionInfo? version = null)
    {
        ctx.CheckAtModel();
        ctx.SetVersionInfo(version ?? GetVersionInfo());

        // *** Binary format ***
        // checked block: description (see ClassifierFileContent)
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
    /// <param name="env">For reading label values.</param>
    /// <param name="bytes">What was written.</param>
    /// <param name="device">Where the network is to run; null where the environment says.</param>
    /// <exception cref="InvalidDataException">It is damaged, or of another network than the one that is registered.</exception>
    public static SavedClassifier FromBytes(IHostEnvironment env, byte[] bytes, string? device = null)
    {
        NativeBackend.EnsureLoaded();
        try
        {
            using var parts = new BinaryReader(new MemoryStream(bytes, writable: false), Encoding.UTF8);
            byte[] description = parts.ReadBytesWithLength(), weights = parts.ReadBytesWithLength();
            return ReadClassifier(env, VersionResizeMode, _ => weights, description, device);
        }
        catch (Exception e) when (e is FormatException or EndOfStreamException)
        {
            throw new InvalidDataException($"The model in the checkpoint is damaged: {e.Message}", e);
        }
    }

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <param name="env">For reading label values.</param>
    /// <param name="ctx">Where from.</param>
    /// <param name="version">Null for a classifier's.</param>
    /// <param name="device">Where the network is to run; null where the environment says.</param>
    /// <exception cref="FormatException">The file is damaged.</exception>
    /// <exception cref="InvalidDataException">It is of another network than the one that is registered.</exception>
    public static SavedClassifier Load(
        IHostEnvironment env, ModelLoadContext ctx, VersionInfo? version = null, string? device = null)
    {
        ctx.CheckAtModel(version ?? GetVersionInfo());
        NativeBackend.EnsureLoaded();
        try
        {
            byte[] description = CheckedBlock.Read(ctx.Reader, "description");
            return ReadClassifier(env, ctx.Header.ModelVerWritten, length => ReadWeights(ctx, length), description, device);
        }
        catch (EndOfStreamException e)
        {
            throw new FormatException("The model file ends in the middle of the classifier: it is cut short. Copy or save it again.", e);
        }
    }

    private static byte[] WriteDescription(
        IHostEnvironment env, ImageClassifier classifier, ClassifierDescription description, MemoryStream weights) =>
            new ClassifierFileContent
        {
            Architecture = classifier.Architecture,
            NumberOfClasses = classifier.NumberOfClasses,
            Shape = classifier.Shape,
            PixelType = classifier.PixelType,
            Resizing = classifier.Resizing,
            Statistics = classifier.Normalization.Statistics,
            WeightsLength = weights.Length,
            WeightsChecksum = SHA256.HashData(weights.GetBuffer().AsSpan(0, (int)weights.Length)),
            Description = description,
        }.ToBytes(env);

    /// <exception cref="FormatException">The description is damaged.</exception>
    /// <exception cref="InvalidDataException">The network that it names does not exist here, or the weights are not of it.</exception>
    private static SavedClassifier ReadClassifier(
        IHostEnvironment env, uint version, Func<long, byte[]> readWeights, byte[] descriptionBytes, string? requestedDevice)
    {
        ClassifierFileContent content = ClassifierFileContent.Read(env, descriptionBytes, hasResizeMode: version >= VersionResizeMode);
        byte[] weights = readWeights(content.WeightsLength);
        CheckedBlock.CheckSum(weights, content.WeightsChecksum, "weights");

        using DisposeScope scope = NewDisposeScope();
        Device device = HostDevice.Choose(env, requestedDevice);
        nn.Module<Tensor, Tensor> network = CreateNetwork(content, weights.Length);
        using (var stream = new MemoryStream(weights, writable: false))
            ModuleWeights.Load(network, stream);
        network.to(device);
        network.eval();
        var normalization = new Normalization(content.Statistics, device);
        var classifier = new ImageClassifier(
            content.Architecture, network, device, content.Shape, content.PixelType, normalization, content.NumberOfClasses)
        {
            Resizing = content.Resizing,
        };
        return new SavedClassifier(classifier, content.Description);
    }

    /// <summary>The network, where the file has as many weights as it needs: numbers in the description alone reserve no memory.</summary>
    private static nn.Module<Tensor, Tensor> CreateNetwork(ClassifierFileContent content, long weightsBytes)
    {
        (string architecture, int classes, ImageShape shape) = (content.Architecture, content.NumberOfClasses, content.Shape);
        long parameters = NetworkArchitecture.LeastParameters(architecture, classes, shape);
        if (parameters > weightsBytes / sizeof(float))
        {
            throw new InvalidDataException(
                $"Network '{architecture}' for {classes} classes and images of {shape} has {parameters} parameters, and the model file " +
                $"holds {weightsBytes} bytes of weights: it is damaged. Copy or save it again.");
        }

        try
        {
            return TorchRandom.Isolated(() => NetworkArchitecture.Create(architecture, classes, shape));
        }
        catch (ArgumentException e)
        {
            throw new InvalidDataException($"The network of the model file cannot be made. {e.Message}", e);
        }
    }

    private static byte[] ReadWeights(ModelLoadContext ctx, long length)
    {
        byte[] weights = [];
        return ctx.TryLoadBinaryStream(WeightsName, reader => weights = CheckedBlock.ReadExactly(reader, length, "weights"))
            ? weights
            : throw new FormatException($"The model file has no {WeightsName}: it is damaged. Copy or save it again.");
    }
}
