using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>What a file must be that SaveOnnx has written: its metadata, and a graph that they fit.</summary>
internal static class OnnxContract
{
    /// <exception cref="InvalidDataException">The file is another one; the message says what it has and what is missing.</exception>
    public static OnnxMetadata Read(IHostEnvironment env, InferenceSession session, string source)
    {
        Dictionary<string, string> entries = session.ModelMetadata.CustomMetadataMap;
        if (!entries.ContainsKey(OnnxMetadata.Format))
        {
            throw new InvalidDataException(
                $"{source} was not written by SaveOnnx: its metadata has no '{OnnxMetadata.Format}', so it does not tell how pictures " +
                $"are decoded, resized and named. It {Describe(session)}. Score it by ApplyOnnxModel (package " +
                "Microsoft.ML.OnnxTransformer), which takes tensors.");
        }

        try
        {
            OnnxMetadata metadata = OnnxMetadata.Read(env, entries);
            Check(session, metadata);
            return metadata;
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"{source} cannot be used: {e.Message}. Save it again by SaveOnnx.", e);
        }
    }

    private static void Check(InferenceSession session, OnnxMetadata metadata)
    {
        if (session.InputNames.Count != 1 || session.OutputNames.Count < 2)
            throw new InvalidDataException($"it {Describe(session)}, and needs one input, and scores and names as outputs");
        NodeMetadata input = session.InputMetadata[session.InputNames[0]];
        NodeMetadata score = session.OutputMetadata[session.OutputNames[0]], label = session.OutputMetadata[session.OutputNames[1]];
        bool takesPixels = input is { IsTensor: true, ElementDataType: TensorElementType.UInt8 or TensorElementType.Float };
        if (!takesPixels || score is not { IsTensor: true, ElementDataType: TensorElementType.Float }
            || label is not { IsTensor: true, ElementDataType: TensorElementType.String })
            throw new InvalidDataException($"it {Describe(session)}, and needs pixels (uint8 or float32), scores (float32) and names");
        if (metadata.PixelType == PixelType.Float32 && input.ElementDataType != TensorElementType.Float)
            throw new InvalidDataException("its input takes bytes, and its metadata says that it was trained on float pixels");

        (int channels, int height, int width) = metadata.Shape;
        int[] shape = metadata.ChannelsLast ? [-1, height, width, channels] : [-1, channels, height, width];
        bool fits = input.Dimensions.Length == shape.Length
            && input.Dimensions.Zip(shape).All(each => each.First == each.Second || each.First < 0);
        if (!fits)
            throw new InvalidDataException($"it {Describe(session)}, and its metadata tells pixels [{string.Join(", ", shape)}]");
        if (score.Dimensions.Length != 2 || (score.Dimensions[1] >= 0 && score.Dimensions[1] != metadata.ClassNames.Count))
            throw new InvalidDataException($"it {Describe(session)}, and its metadata names {metadata.ClassNames.Count} classes");
    }

    private static string Describe(InferenceSession session) =>
        $"takes {List(session.InputNames, session.InputMetadata)} and gives {List(session.OutputNames, session.OutputMetadata)}";

    private static string List(IReadOnlyList<string> names, IReadOnlyDictionary<string, NodeMetadata> nodes) =>
        names.Count == 0 ? "nothing" : string.Join(", ", names.Select(name => $"'{name}' ({Type(nodes[name])})"));

    private static string Type(NodeMetadata node) => node.IsTensor
        ? $"{node.ElementDataType} [{string.Join(", ", node.Dimensions.Select(Dimension))}]"
        : node.OnnxValueType.ToString();

    private static string Dimension(int size) => size < 0 ? "any" : size.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
