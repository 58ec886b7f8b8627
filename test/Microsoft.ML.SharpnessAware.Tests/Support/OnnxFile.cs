using System.Runtime.InteropServices;
using System.Text;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Writes ONNX models, or changes them: as much of the format as the tests need.</summary>
internal sealed class OnnxFile
{
    /// <summary>The file that the package Microsoft.ML.DnnImageFeaturizer.ResNet18 lays beside the tests.</summary>
    public static string ResNet18 { get; } = Path.Combine(AppContext.BaseDirectory, "DnnImageModels", "ResNet18Onnx", "ResNet18.onnx");

    /// <summary>The same package's graph that subtracts the mean image.</summary>
    public static string Preprocessing { get; } =
        Path.Combine(AppContext.BaseDirectory, "DnnImageModels", "ResNetPrepOnnx", "ResNetPreprocess.onnx");

    public List<byte[]> Nodes { get; } = [];

    public List<byte[]> Constants { get; } = [];

    public string[] Inputs { get; set; } = ["input"];

    public string[] Outputs { get; set; } = ["output"];

    public string Producer { get; set; } = "Tests";

    /// <summary>Adds an operator. Attributes are whole numbers (long[]) or a number (float).</summary>
    public OnnxFile Node(string type, string[] inputs, string output, params (string Name, object Value)[] attributes)
    {
        using var node = new MemoryStream();
        foreach (string input in inputs)
            Write(node, 1, Encoding.UTF8.GetBytes(input));
        Write(node, 2, Encoding.UTF8.GetBytes(output));
        Write(node, 3, Encoding.UTF8.GetBytes($"{type} of {output}"));
        Write(node, 4, Encoding.UTF8.GetBytes(type));
        foreach ((string name, object value) in attributes)
        {
            using var attribute = new MemoryStream();
            Write(attribute, 1, Encoding.UTF8.GetBytes(name));
            if (value is float number)
            {
                Varint(attribute, (2 << 3) | 5);
                attribute.Write(BitConverter.GetBytes(number));
            }
            else
            {
                foreach (long integer in (long[])value)
                    Write(attribute, 8, integer);
            }

            Write(node, 5, attribute.ToArray());
        }

        Nodes.Add(node.ToArray());
        return this;
    }

    /// <summary>Adds a constant of float32, in float_data or in raw_data.</summary>
    public OnnxFile Constant(string name, long[] shape, float[] values, bool raw = false)
    {
        using var tensor = new MemoryStream();
        foreach (long size in shape)
            Write(tensor, 1, size);
        Write(tensor, 2, 1);
        Write(tensor, raw ? 9 : 4, MemoryMarshal.AsBytes<float>(values).ToArray());
        Write(tensor, 8, Encoding.UTF8.GetBytes(name));
        Constants.Add(tensor.ToArray());
        return this;
    }

    public byte[] ToBytes()
    {
        using var graph = new MemoryStream();
        Nodes.ForEach(node => Write(graph, 1, node));
        Write(graph, 2, "graph"u8);
        Constants.ForEach(constant => Write(graph, 5, constant));
        foreach (string input in Inputs)
            Write(graph, 11, ValueInfo(input));
        foreach (string output in Outputs)
            Write(graph, 12, ValueInfo(output));

        using var model = new MemoryStream();
        Write(model, 1, 3);
        Write(model, 2, Encoding.UTF8.GetBytes(Producer));
        Write(model, 7, graph.ToArray());
        using var opset = new MemoryStream();
        Write(opset, 2, 8);
        Write(model, 8, opset.ToArray());
        return model.ToArray();
    }

    /// <summary>The model of a file for images of any size: its nodes and constants, with the average at the end over all there
    /// is.</summary>
    public static OnnxFile ForAnySize(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        OnnxGraph read = OnnxGraph.Read(bytes);
        var file = new OnnxFile { Inputs = [.. read.Inputs], Outputs = [.. read.Outputs] };
        var model = new ProtobufReader(bytes);
        while (model.MoveNext())
        {
            if (model.Field != 7)
                continue;
            var graph = new ProtobufReader(model.Bytes);
            while (graph.MoveNext())
            {
                if (graph.Field == 1)
                    file.Nodes.Add(graph.Bytes.ToArray());
                else if (graph.Field == 5)
                    file.Constants.Add(graph.Bytes.ToArray());
            }
        }

        file.Nodes.RemoveAt(file.Nodes.Count - 1);
        return file.Node("GlobalAveragePool", [.. read.Nodes[^1].Inputs], read.Outputs[0]);
    }

    /// <summary>A small relative of the package's network, with weights drawn from a seed, and the names of its constants in
    /// order.</summary>
    public static OnnxFile SmallResNet(int width)
    {
        var random = new Random(1);
        var file = new OnnxFile();
        string value = Normalised("input", "conv1", 3, width, 7, 2);
        file.Node("Relu", [value], "stem");
        file.Node("MaxPool", ["stem"], "pool", ("kernel_shape", new long[] { 3, 3 }), ("strides", new long[] { 2, 2 }),
            ("pads", new long[] { 1, 1, 0, 0 }));
        value = "pool";
        int inputs = width;
        int[] blocks = [2, 2, 2, 3];
        for (int stage = 0; stage < 4; stage++)
        {
            for (int block = 0; block < blocks[stage]; block++)
            {
                int outputs = width << stage;
                bool halves = stage > 0 && block == 0;
                string name = $"layer{stage + 1}.{block}";
                string shortcut = halves ? Normalised(value, $"{name}.downsample", inputs, outputs, 1, 2) : value;
                string inner = Normalised(value, $"{name}.conv1", inputs, outputs, 3, halves ? 2 : 1);
                file.Node("Relu", [inner], $"{name}.relu1");
                inner = Normalised($"{name}.relu1", $"{name}.conv2", outputs, outputs, 3, 1);
                file.Node("Add", [inner, shortcut], $"{name}.sum").Node("Relu", [$"{name}.sum"], $"{name}.relu2");
                (value, inputs) = ($"{name}.relu2", outputs);
            }
        }

        return file.Node("AveragePool", [value], "output", ("kernel_shape", new long[] { 7, 7 }));

        string Normalised(string input, string name, int from, int to, long size, long stride)
        {
            long start = size / 2, end = Math.Max(0, start - (stride - 1));
            file.Node("Conv", [input, $"{name}.weight"], name,
                ("kernel_shape", new[] { size, size }), ("strides", new[] { stride, stride }), ("pads", new[] { start, start, end, end }));
            file.Constant($"{name}.weight", [to, from, size, size], Numbers(to * from * size * size), raw: to % 2 == 0);
            string[] parts = ["scale", "bias", "mean", "variance"];
            file.Node("BatchNormalization", [name, .. parts.Select(part => $"{name}.{part}")], $"{name}.norm", ("epsilon", 1e-5f));
            foreach (string part in parts)
                file.Constant($"{name}.{part}", [to], Numbers(to));
            return $"{name}.norm";
        }

        float[] Numbers(long count) => [.. Enumerable.Range(0, (int)count).Select(_ => 0.5f + random.NextSingle())];
    }

    private static byte[] ValueInfo(string name)
    {
        // Float32 of a rank that is not told, which ONNX Runtime takes for any.
        using var tensor = new MemoryStream();
        Write(tensor, 1, 1);
        using var type = new MemoryStream();
        Write(type, 1, tensor.ToArray());
        using var value = new MemoryStream();
        Write(value, 1, Encoding.UTF8.GetBytes(name));
        Write(value, 2, type.ToArray());
        return value.ToArray();
    }

    private static void Write(Stream stream, int field, long value)
    {
        Varint(stream, (ulong)field << 3);
        Varint(stream, (ulong)value);
    }

    private static void Write(Stream stream, int field, ReadOnlySpan<byte> content)
    {
        Varint(stream, ((ulong)field << 3) | 2);
        Varint(stream, (ulong)content.Length);
        stream.Write(content);
    }

    private static void Varint(Stream stream, ulong value)
    {
        for (; value >= 0x80; value >>= 7)
            stream.WriteByte((byte)(value | 0x80));
        stream.WriteByte((byte)value);
    }
}
