using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Finds the weights of <see cref="NetworkArchitecture.MLNetResNet18"/> in an ONNX graph, by following the graph from its input to its
/// output; what is not as expected there is said, and nothing is taken.
/// </summary>
/// <remarks>
/// The graph wants blue, green, red, and the pixels' values less <see cref="Mean"/>, which its package subtracts in a graph of its own
/// (there as a mean image that changes little over the picture). The tensors are for red, green, blue.
/// </remarks>
internal sealed class OnnxResNet
{
    /// <summary>The version of <see cref="PackagedWeights.Package"/> whose network is read. Later ones may have another.</summary>
    public const string PackageVersion = "0.23.1";

    private const float Epsilon = 1e-5f;

    private static readonly int[] Blocks = [2, 2, 2, 3];

    private readonly OnnxGraph _graph;
    private readonly int _width;
    private readonly Dictionary<string, Tensor> _tensors = [];

    private OnnxResNet(OnnxGraph graph, int width) => (_graph, _width) = (graph, width);

    /// <summary>The mean of the package's mean image: red, green, blue, where white is 255.</summary>
    public static IReadOnlyList<double> Mean { get; } = [123.15163, 115.90288, 103.06262];

    /// <summary>The weights and running statistics under the names of the network's state dictionary, without a head.</summary>
    /// <param name="graph">The file's graph.</param>
    /// <param name="width">The channels of the stem; fewer are for tests.</param>
    /// <exception cref="InvalidDataException">The graph is of another network.</exception>
    public static Dictionary<string, Tensor> Read(OnnxGraph graph, int width = 64)
    {
        using DisposeScope scope = NewDisposeScope();
        var network = new OnnxResNet(graph, width);
        try
        {
            network.Follow();
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException(
                $"The ONNX file (of {(graph.Producer.Length > 0 ? PrintableText.Of(graph.Producer) : "an unknown producer")}, " +
                    $"{graph.Nodes.Count} operators) is of another " +
                $"network than '{NetworkArchitecture.MLNetResNet18}', the one in package {PackagedWeights.Package} " +
                    $"{PackageVersion}, which is the only one whose ONNX file is read: {e.Message} Other networks' " +
                    "weights are read as safetensors.", e);
        }

        scope.MoveToOuter(network._tensors.Values);
        return network._tensors;
    }

    private void Follow()
    {
        if (_graph.Inputs is not [string input] || _graph.Outputs is not [string output])
            throw new InvalidDataException($"it has {_graph.Inputs.Count} inputs and {_graph.Outputs.Count} outputs, and one of each is " +
                "expected.");

        string value = Normalised("conv1", "bn1", Only(input, "Conv"), inputs: 3, outputs: _width, size: 7, stride: 2);
        _tensors["conv1.weight"] = _tensors["conv1.weight"].flip(1); // blue, green, red
        OnnxNode pool = Only(Output(Only(value, "Relu")), "MaxPool");
        CheckWindow(pool, size: 3, stride: 2);
        value = Output(pool);
        for (int stage = 0; stage < Blocks.Length; stage++)
        {
            for (int block = 0; block < Blocks[stage]; block++)
                value = Block(value, $"layer{stage + 1}.{block}", outputs: _width << stage, halves: stage > 0 && block == 0);
        }

        OnnxNode average = Only(value, "AveragePool");
        if (!average.Has("kernel_shape", [7, 7], isDefault: false) || Output(average) != output)
            throw Unexpected(average, "does not average the last 7×7 positions to the graph's output");
    }

    /// <summary>Two convolutions, and what they are added to: the input, or a convolution of it where the block halves.</summary>
    private string Block(string input, string name, int outputs, bool halves)
    {
        int inputs = halves ? outputs / 2 : outputs;
        OnnxNode[] consumers = [.. _graph.ConsumersOf(input)];
        OnnxNode[] convolutions = Array.FindAll(consumers, node => node.Type == "Conv");
        string value = Normalised($"{name}.conv1", $"{name}.bn1", OfSize(3), inputs, outputs, size: 3, stride: halves ? 2 : 1);
        value = Normalised($"{name}.conv2", $"{name}.bn2", Only(Output(Only(value, "Relu")), "Conv"), outputs, outputs, size: 3, stride: 1);
        string shortcut = halves
            ? Normalised($"{name}.downsample.0", $"{name}.downsample.1", OfSize(1), inputs, outputs, size: 1, stride: 2)
            : input;

        OnnxNode sum = Only(value, "Add");
        return sum.Inputs is [string a, string b] && ((a == value && b == shortcut) || (a == shortcut && b == value))
            ? Output(Only(Output(sum), "Relu"))
            : throw Unexpected(sum, $"does not add up {name}");

        OnnxNode OfSize(int size) => convolutions.Where(node => node.Has("kernel_shape", [size, size], isDefault: false)).ToArray() switch
        {
            [OnnxNode only] when convolutions.Length == (halves ? 2 : 1) => only,
            _ => throw new InvalidDataException($"{name} begins with {Listed(consumers)}, and a 3×3 Conv " +
                $"{(halves ? "beside a 1×1 Conv" : "beside an Add")} is expected."),
        };
    }

    /// <summary>A convolution without bias and the batch norm after it; returns the value that comes out.</summary>
    private string Normalised(string convolutionName, string normName, OnnxNode convolution, int inputs, int outputs, int size, int stride)
    {
        CheckWindow(convolution, size, stride);
        if (convolution.Inputs is not [_, string weight] || !convolution.Has("group", [1], isDefault: true))
            throw Unexpected(convolution, "has a bias or groups");
        _tensors[$"{convolutionName}.weight"] = Constant(weight).ToTensor(outputs, inputs, size, size);

        OnnxNode norm = Only(Output(convolution), "BatchNormalization");
        if (norm.Inputs is not [_, string scale, string bias, string mean, string variance])
            throw Unexpected(norm, "does not have a scale, a bias, a mean and a variance");
        if (norm.Floats.GetValueOrDefault("epsilon", Epsilon) != Epsilon || !norm.Has("spatial", [1], isDefault: true))
            throw Unexpected(norm, $"has another epsilon than 1e-5, or one for each position");
        foreach ((string part, string constant) in new[] { ("weight", scale), ("bias", bias), ("running_mean", mean),
            ("running_var", variance) })
            _tensors[$"{normName}.{part}"] = Constant(constant).ToTensor(outputs);
        return Output(norm);
    }

    /// <summary>A square window; where it halves, padded at the end by one less than at the start.</summary>
    private static void CheckWindow(OnnxNode node, int size, int stride)
    {
        int start = size / 2, end = Math.Max(0, start - (stride - 1));
        if (!node.Has("kernel_shape", [size, size], isDefault: false) || !node.Has("strides", [stride, stride], isDefault: stride == 1)
            || !node.Has("pads", [start, start, end, end], isDefault: start == 0) || !node.Has("dilations", [1, 1], isDefault: true))
            throw Unexpected(node, $"is not {size}×{size} with stride {stride} and padding {start} before and {end} after");
    }

    /// <summary>The one operator that reads a value, of the sort that is expected.</summary>
    private OnnxNode Only(string value, string type)
    {
        OnnxNode[] consumers = [.. _graph.ConsumersOf(value)];
        return consumers is [OnnxNode only] && only.Type == type
            ? only
            : throw new InvalidDataException($"after '{PrintableText.Of(value)}' comes {Listed(consumers)}, and one {type} is expected.");
    }

    private OnnxTensor Constant(string name) => _graph.Constants.TryGetValue(name, out OnnxTensor? constant)
        ? constant
        : throw new InvalidDataException($"'{PrintableText.Of(name)}' is not a constant.");

    private static string Output(OnnxNode node) =>
        node.Outputs is [string output] ? output : throw Unexpected(node, $"has {node.Outputs.Count} outputs");

    private static string Listed(OnnxNode[] nodes) =>
        nodes.Length == 0 ? "nothing" : string.Join(", ", nodes.Take(4).Select(Description)) + (nodes.Length > 4 ? ", …" : "");

    private static string Description(OnnxNode node) => PrintableText.Of($"{node.Type} '{node.Name}'");

    private static InvalidDataException Unexpected(OnnxNode node, string problem) => new($"{Description(node)} {problem}.");
}
