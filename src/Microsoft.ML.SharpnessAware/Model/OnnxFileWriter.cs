using System.Diagnostics;
using System.Runtime.InteropServices;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Onnx;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Writes a graph of its own into an ONNX file.</summary>
internal sealed class OnnxFileWriter(int opsetVersion) : OnnxGraphWriter
{
    // One message of protobuf, which a file is, holds no more.
    private const long MaximumBytes = int.MaxValue - (1 << 20);

    private readonly GraphProto _graph = new() { Name = "classifier" };
    private readonly Dictionary<string, string> _metadata = [];
    private readonly HashSet<string> _names = [];
    private long _bytes;

    public override int OpsetVersion => opsetVersion;

    /// <summary>The operators so far, in the order of their computation.</summary>
    public RepeatedField<NodeProto> Nodes => _graph.Node;

    /// <summary>The constants so far.</summary>
    public RepeatedField<TensorProto> Constants => _graph.Initializer;

    /// <summary>Declares an input; a dimension that is open has a name.</summary>
    public void AddInput(string name, OnnxType type, params object[] dimensions)
    {
        _names.Add(name);
        _graph.Input.Add(Describe(name, type, dimensions));
    }

    /// <summary>Declares that a value is an output under a name.</summary>
    /// <exception cref="NotSupportedException">The name is taken.</exception>
    public void AddOutput(string value, string name, OnnxType type, params object[] dimensions)
    {
        if (!_names.Add(name))
        {
            throw new NotSupportedException($"An ONNX file has one value of a name, and '{name}' is asked for twice: give the model's " +
                "columns, or those of its prediction sets and abstention, other names.");
        }

        _graph.Node.Add(new NodeProto { OpType = "Identity", Name = $"{name}.identity", Input = { value }, Output = { name } });
        _graph.Output.Add(Describe(name, type, dimensions));
    }

    public void AddMetadata(string key, string value) => _metadata.Add(key, value);

    public bool HasMetadata(string key) => _metadata.ContainsKey(key);

    public override string Constant(float[] values, params long[] dimensions) =>
        Constant(MemoryMarshal.AsBytes<float>(values), OnnxType.Float32, dimensions);

    public override string Constant(double[] values, params long[] dimensions) =>
        Constant(MemoryMarshal.AsBytes<double>(values), OnnxType.Float64, dimensions);

    public override string Constant(long[] values, params long[] dimensions) =>
        Constant(MemoryMarshal.AsBytes<long>(values), OnnxType.Int64, dimensions);

    /// <summary>A vector of texts.</summary>
    public string Texts(IEnumerable<string> values)
    {
        var tensor = new TensorProto { DataType = (int)OnnxType.Text, StringData = { values.Select(ByteString.CopyFromUtf8) } };
        return Add(tensor, [tensor.StringData.Count], tensor.StringData.Sum(text => (long)text.Length));
    }

    public override string Node(string type, string[] inputs, params (string Name, object Value)[] attributes)
    {
        NodeProto node = Detached(type, inputs, attributes);
        _graph.Node.Add(node);
        return node.Output[0];
    }

    /// <summary>An operator with one output that is not in the graph yet.</summary>
    public NodeProto Detached(string type, IEnumerable<string> inputs, params (string Name, object Value)[] attributes)
    {
        string name = NewName(type);
        return new NodeProto { OpType = type, Name = name, Input = { inputs }, Output = { name },
            Attribute = { attributes.Select(Describe) } };
    }

    /// <summary>Writes the file.</summary>
    /// <param name="stream">Where to.</param>
    /// <param name="producerVersion">The version of this library.</param>
    public void Save(Stream stream, string producerVersion) => Model(_graph, producerVersion).WriteTo(stream);

    /// <summary>How many bytes the file would have.</summary>
    /// <param name="producerVersion">The version of this library.</param>
    public long Size(string producerVersion) => Model(_graph, producerVersion).CalculateSize();

    /// <summary>A stretch of the graph as a model of its own.</summary>
    /// <param name="nodes">Its operators.</param>
    /// <param name="input">The value that it is given, float32.</param>
    /// <param name="dimensions">The dimensions of that; one that is open has a name.</param>
    /// <param name="outputs">The values that it gives, float32.</param>
    public byte[] Part(IReadOnlyList<NodeProto> nodes, string input, object[] dimensions, IEnumerable<string> outputs)
    {
        HashSet<string> used = [.. nodes.SelectMany(node => node.Input)];
        var part = new GraphProto
        {
            Name = "part",
            Node = { nodes },
            Initializer = { _graph.Initializer.Where(constant => used.Contains(constant.Name)) },
            Input = { Describe(input, OnnxType.Float32, dimensions) },
            Output = { outputs.Select(output => Describe(output, OnnxType.Float32, null)) },
        };
        return Model(part, "").ToByteArray();
    }

    private ModelProto Model(GraphProto graph, string producerVersion) => new()
    {
        IrVersion = opsetVersion switch { < 12 => 6, < 15 => 7, < 19 => 8, < 21 => 9, _ => 10 },
        ProducerName = "MLSharpness",
        ProducerVersion = producerVersion,
        Graph = graph,
        OpsetImport = { new OperatorSetIdProto { Domain = "", Version = opsetVersion } },
        MetadataProps = { _metadata.Select(entry => new StringStringEntryProto { Key = entry.Key, Value = entry.Value }) },
    };

    /// <summary>A constant of any type of numbers, by its bytes.</summary>
    public string Constant(ReadOnlySpan<byte> values, OnnxType type, params long[] dimensions) =>
        Add(new TensorProto { DataType = (int)type, RawData = ByteString.CopyFrom(values) }, dimensions, values.Length);

    private string Add(TensorProto tensor, long[] dimensions, long bytes)
    {
        _bytes += bytes;
        if (_bytes > MaximumBytes)
            throw new NotSupportedException("The network has more than 2 GB of weights, which one ONNX file cannot hold.");
        tensor.Name = NewName("constant");
        tensor.Dims.AddRange(dimensions);
        _graph.Initializer.Add(tensor);
        return tensor.Name;
    }

    private string NewName(string prefix)
    {
        for (int number = _names.Count; ; number++)
        {
            if (_names.Add($"{prefix}_{number}"))
                return $"{prefix}_{number}";
        }
    }

    /// <param name="name">The value's name.</param>
    /// <param name="type">The type of its numbers.</param>
    /// <param name="dimensions">Null where they are left to the reader.</param>
    private static ValueInfoProto Describe(string name, OnnxType type, object[]? dimensions)
    {
        var tensor = new TypeProto.Types.Tensor { ElemType = (int)type };
        if (dimensions is not null)
        {
            tensor.Shape = new TensorShapeProto
            {
                Dim =
                {
                    dimensions.Select(size => size is string open
                        ? new TensorShapeProto.Types.Dimension { DimParam = open }
                        : new TensorShapeProto.Types.Dimension { DimValue = Convert.ToInt64(size) }),
                },
            };
        }

        return new() { Name = name, Type = new TypeProto { TensorType = tensor } };
    }

    private static AttributeProto Describe((string Name, object Value) attribute) => Plain(attribute.Name, attribute.Value) switch
    {
        long number => new() { Name = attribute.Name, Type = AttributeProto.Types.AttributeType.Int, I = number },
        long[] numbers => new() { Name = attribute.Name, Type = AttributeProto.Types.AttributeType.Ints, Ints = { numbers } },
        float number => new() { Name = attribute.Name, Type = AttributeProto.Types.AttributeType.Float, F = number },
        string text => new() { Name = attribute.Name, Type = AttributeProto.Types.AttributeType.String, S = ByteString.CopyFromUtf8(text) },
        _ => throw new UnreachableException(),
    };
}
