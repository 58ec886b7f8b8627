using System.Text;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The graph of an ONNX model, as far as it takes to find a network's weights in it: operators in their order, how they are connected, and
/// the constants. Nothing is run.
/// </summary>
/// <remarks>Field numbers are those of onnx.proto3. Numbers are bounded before memory is taken for them.</remarks>
internal sealed class OnnxGraph
{
    private const int MaximumNodes = 10_000;
    private const int MaximumConnections = 64;
    private const int MaximumAttributes = 64;
    private const int MaximumNumbers = 64;
    private const int MaximumNameLength = 1000;

    private readonly ILookup<string, OnnxNode> _consumers;

    private OnnxGraph(string producer, List<OnnxNode> nodes, Dictionary<string, OnnxTensor> constants, List<string> inputs,
        List<string> outputs)
    {
        Producer = producer;
        Nodes = nodes;
        Constants = constants;
        Inputs = [.. inputs.Where(name => !constants.ContainsKey(name))];
        Outputs = outputs;
        _consumers = nodes.SelectMany(node => node.Inputs.Distinct(), (node, input) => (node, input))
            .ToLookup(pair => pair.input, pair => pair.node);
    }

    /// <summary>Who wrote the file, with the version; empty where it does not tell.</summary>
    public string Producer { get; }

    public IReadOnlyList<OnnxNode> Nodes { get; }

    public IReadOnlyDictionary<string, OnnxTensor> Constants { get; }

    /// <summary>The inputs that are not constants.</summary>
    public IReadOnlyList<string> Inputs { get; }

    public IReadOnlyList<string> Outputs { get; }

    /// <summary>The operators that read a value, each once, in the order of the file.</summary>
    public IEnumerable<OnnxNode> ConsumersOf(string value) => _consumers[value];

    /// <summary>Reads a file's content; the constants stay where they are in it.</summary>
    /// <exception cref="InvalidDataException">It is not an ONNX model, or damaged.</exception>
    public static OnnxGraph Read(ReadOnlyMemory<byte> file)
    {
        string producer = "", version = "";
        ReadOnlyMemory<byte>? graph = null;
        bool hasVersion = false;
        var model = new ProtobufReader(file.Span);
        while (model.MoveNext())
        {
            switch (model.Field)
            {
                case 1:
                    hasVersion = model.Integer > 0;
                    break;
                case 2:
                    producer = Text(model.Bytes);
                    break;
                case 3:
                    version = Text(model.Bytes);
                    break;
                case 7:
                    graph = file.Slice(model.BytesStart, model.Bytes.Length);
                    break;
            }
        }

        return hasVersion && graph is { } found
            ? ReadGraph($"{producer} {version}".Trim(), found)
            : throw new InvalidDataException("It has no graph. This is not an ONNX model.");
    }

    private static OnnxGraph ReadGraph(string producer, ReadOnlyMemory<byte> message)
    {
        List<OnnxNode> nodes = [];
        var constants = new Dictionary<string, OnnxTensor>();
        List<string> inputs = [], outputs = [];
        var graph = new ProtobufReader(message.Span);
        while (graph.MoveNext())
        {
            switch (graph.Field)
            {
                case 1:
                    Bound(nodes.Count, MaximumNodes, "operators");
                    nodes.Add(ReadNode(graph.Bytes));
                    break;
                case 5:
                    Bound(constants.Count, MaximumNodes, "constants");
                    OnnxTensor constant = ReadTensor(message.Slice(graph.BytesStart, graph.Bytes.Length));
                    if (!constants.TryAdd(constant.Name, constant))
                        throw new InvalidDataException(
                            $"There are two constants '{PrintableText.Of(constant.Name)}': the file is damaged.");
                    break;
                case 11:
                    Bound(inputs.Count, MaximumNodes, "inputs");
                    inputs.Add(ReadName(graph.Bytes));
                    break;
                case 12:
                    Bound(outputs.Count, MaximumNodes, "outputs");
                    outputs.Add(ReadName(graph.Bytes));
                    break;
            }
        }

        return new OnnxGraph(producer, nodes, constants, inputs, outputs);
    }

    private static OnnxNode ReadNode(ReadOnlySpan<byte> message)
    {
        List<string> inputs = [], outputs = [];
        string name = "", type = "";
        var integers = new Dictionary<string, IReadOnlyList<long>>();
        var floats = new Dictionary<string, float>();
        var node = new ProtobufReader(message);
        while (node.MoveNext())
        {
            switch (node.Field)
            {
                case 1:
                    Bound(inputs.Count, MaximumConnections, "inputs of an operator");
                    inputs.Add(Text(node.Bytes));
                    break;
                case 2:
                    Bound(outputs.Count, MaximumConnections, "outputs of an operator");
                    outputs.Add(Text(node.Bytes));
                    break;
                case 3:
                    name = Text(node.Bytes);
                    break;
                case 4:
                    type = Text(node.Bytes);
                    break;
                case 5:
                    Bound(integers.Count + floats.Count, MaximumAttributes, "attributes of an operator");
                    ReadAttribute(node.Bytes, integers, floats);
                    break;
            }
        }

        return new OnnxNode(type, name, inputs, outputs, integers, floats);
    }

    /// <summary>Whole numbers and single floats; other kinds are passed over.</summary>
    private static void ReadAttribute(ReadOnlySpan<byte> message, Dictionary<string, IReadOnlyList<long>> integers, Dictionary<string,
        float> floats)
    {
        string name = "";
        List<long> numbers = [];
        float? number = null;
        var attribute = new ProtobufReader(message);
        while (attribute.MoveNext())
        {
            switch (attribute.Field)
            {
                case 1:
                    name = Text(attribute.Bytes);
                    break;
                case 2:
                    number = attribute.Float;
                    break;
                case 3 or 8:
                    attribute.AddIntegersTo(numbers, MaximumNumbers);
                    break;
            }
        }

        if (numbers.Count > 0)
            integers[name] = numbers;
        if (number is float value)
            floats[name] = value;
    }

    private static OnnxTensor ReadTensor(ReadOnlyMemory<byte> message)
    {
        const int ElementType = 2, Floats = 4, Raw = 9, External = 13;
        string name = "";
        List<long> shape = [];
        long type = 0;
        ReadOnlyMemory<byte>? elements = null;
        bool isComplete = true;
        var tensor = new ProtobufReader(message.Span);
        while (tensor.MoveNext())
        {
            switch (tensor.Field)
            {
                case 1:
                    tensor.AddIntegersTo(shape, MaximumNumbers);
                    break;
                case ElementType:
                    type = tensor.Integer;
                    break;
                case 8:
                    name = Text(tensor.Bytes);
                    break;
                case Floats or Raw:
                    isComplete &= elements is null; // in several pieces, as nobody writes them, they are not read
                    elements = message.Slice(tensor.BytesStart, tensor.Bytes.Length);
                    break;
                case External:
                    isComplete = false; // in a file of their own
                    break;
            }
        }

        return new OnnxTensor(name, shape, IsFloat: type == 1, isComplete ? elements : null);
    }

    private static string ReadName(ReadOnlySpan<byte> message)
    {
        var value = new ProtobufReader(message);
        while (value.MoveNext())
        {
            if (value.Field == 1)
                return Text(value.Bytes);
        }

        return "";
    }

    private static string Text(ReadOnlySpan<byte> bytes) => bytes.Length <= MaximumNameLength
        ? Encoding.UTF8.GetString(bytes)
        : throw new InvalidDataException($"A name has {bytes.Length} bytes, and at most {MaximumNameLength} are expected: the file is " +
            "damaged.");

    private static void Bound(int count, int most, string what)
    {
        if (count == most)
            throw new InvalidDataException($"The file has more than {most} {what}, and no network that is known has so many.");
    }
}
