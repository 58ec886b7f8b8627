using System.Runtime.InteropServices;
using Onnx;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Lets the convolutions and the products with constant matrices of a graph run on 8-bit integers: weights rounded symmetrically, one scale
/// an output channel; what they are given, and what convolutions give, to bytes between the least and the greatest value seen (Jacob et al.
/// 2018, sections 2.1 and 3). Written as pairs of QuantizeLinear and DequantizeLinear, which runtimes fuse with the operators between.
/// </summary>
internal sealed class OnnxQuantizer
{
    /// <summary>The first opset whose DequantizeLinear has a scale a channel.</summary>
    public const int OldestOpset = 13;

    private const int WeightLevels = 127;
    private const int ActivationLevels = 255;
    private const float LeastScale = 1e-30f;

    // A bias is an int32 in units of the product of both scales, which are made large enough for it.
    private const float MaximumBias = 1 << 30;

    private readonly OnnxFileWriter _file;
    private readonly NodeProto[] _nodes;
    private readonly int _first;
    private readonly Dictionary<string, TensorProto> _constants;
    private readonly Dictionary<string, NodeProto[]> _readers;
    private readonly HashSet<NodeProto> _layers = [];
    private readonly HashSet<string> _inputs = [], _outputs = [];

    /// <param name="file">The graph.</param>
    /// <param name="first">The first operator of the network.</param>
    /// <param name="end">The operator behind its last.</param>
    /// <exception cref="NotSupportedException">The network has nothing to quantise.</exception>
    public OnnxQuantizer(OnnxFileWriter file, int first, int end)
    {
        (_file, _first, _nodes) = (file, first, [.. file.Nodes.Skip(first).Take(end - first)]);
        _constants = file.Constants.ToDictionary(constant => constant.Name);
        _readers = file.Nodes.SelectMany(node => node.Input.Distinct().Select(input => (Input: input, Node: node)))
            .GroupBy(each => each.Input, each => each.Node).ToDictionary(group => group.Key, group => group.ToArray());
        foreach (NodeProto node in _nodes.Where(IsLayer))
        {
            _layers.Add(node);
            _inputs.Add(node.Input[0]);
            if (node.OpType == "Conv")
                _outputs.Add(OutputOf(node));
        }

        if (_layers.Count == 0)
            throw new NotSupportedException("The network has neither a convolution nor a product with a constant matrix, so there is " +
                "nothing to quantise. Leave Quantize as it is.");
        Activations = [.. _inputs.Union(_outputs)];
    }

    /// <summary>The values whose least and greatest it has to know.</summary>
    public IReadOnlyList<string> Activations { get; }

    /// <summary>The operators of the network with what finds the least and the greatest of each of <see cref="Activations"/>.</summary>
    /// <param name="extremes">Their names: the least and the greatest of each activation in turn.</param>
    public IReadOnlyList<NodeProto> WithExtremes(out IReadOnlyList<string> extremes)
    {
        NodeProto[] found = [.. Activations.SelectMany(activation => (string[])["ReduceMin", "ReduceMax"],
            (activation, type) => _file.Detached(type, [activation], ("keepdims", 0L)))];
        extremes = [.. found.Select(node => node.Output[0])];
        return [.. _nodes, .. found];
    }

    /// <summary>Changes the graph.</summary>
    /// <param name="ranges">The least and the greatest value of each of <see cref="Activations"/>.</param>
    /// <returns>The operators of the network now.</returns>
    public IReadOnlyList<NodeProto> Quantize(IReadOnlyDictionary<string, (float Least, float Greatest)> ranges)
    {
        List<NodeProto> quantized = [];
        Dictionary<string, (string Value, float Scale)> rounded = [];
        HashSet<string> replaced = [];
        HashSet<string> produced = [.. _nodes.SelectMany(node => node.Output)];
        foreach (string given in Activations.Where(activation => !produced.Contains(activation)))
            rounded.Add(given, Round(quantized, given, ranges[given]));
        foreach (NodeProto node in _nodes)
        {
            NodeProto copy = node.Clone();
            for (int i = 0; i < copy.Input.Count; i++)
            {
                // What a convolution gives is read rounded by all, or it would have to give both.
                bool isRead = _outputs.Contains(node.Input[i]) || (i == 0 && _layers.Contains(node));
                if (isRead && rounded.TryGetValue(node.Input[i], out (string Value, float Scale) input))
                    copy.Input[i] = input.Value;
            }

            if (_layers.Contains(node))
                RoundWeights(quantized, node, copy, rounded[node.Input[0]].Scale, replaced);
            quantized.Add(copy);
            foreach (string output in node.Output.Where(output => _inputs.Contains(output) || _outputs.Contains(output)))
                rounded.Add(output, Round(quantized, output, ranges[output]));
        }

        NodeProto[] before = [.. _file.Nodes.Take(_first)], behind = [.. _file.Nodes.Skip(_first + _nodes.Length)];
        TensorProto[] kept = [.. _file.Constants.Where(constant => !replaced.Contains(constant.Name))];
        _file.Nodes.Clear();
        _file.Nodes.Add([.. before, .. quantized, .. behind]);
        _file.Constants.Clear();
        _file.Constants.Add(kept);
        return quantized;
    }

    /// <summary>A convolution or a product whose second factor is a constant that only its like read.</summary>
    private bool IsLayer(NodeProto node)
    {
        if (!(node.OpType is "Conv" or "MatMul") || _constants.ContainsKey(node.Input[0])
            || !_constants.TryGetValue(node.Input[1], out TensorProto? weight) || weight.DataType != (int)OnnxType.Float32
            || weight.RawData.IsEmpty)
            return false;
        return node.OpType == "Conv"
            ? _readers[weight.Name].Length == 1
                && (node.Input.Count < 3 || (_constants.ContainsKey(node.Input[2]) && _readers[node.Input[2]].Length == 1))
            : weight.Dims.Count == 2 && _readers[weight.Name].Length == 1;
    }

    /// <summary>What a convolution gives; where a ReLU alone reads it, what that gives.</summary>
    private string OutputOf(NodeProto convolution)
    {
        string output = convolution.Output[0];
        return _readers.TryGetValue(output, out NodeProto[]? readers) && readers is [{ OpType: "Relu" } relu] ? relu.Output[0] : output;
    }

    /// <summary>Adds the rounding of an activation to bytes. Zero, which pads, is among them exactly.</summary>
    private (string Value, float Scale) Round(List<NodeProto> nodes, string activation, (float Least, float Greatest) range)
    {
        (float least, float greatest) = (Math.Min(range.Least, 0), Math.Max(range.Greatest, 0));
        float scale = greatest > least ? Math.Max((greatest - least) / ActivationLevels, LeastScale) : 1;
        string scaleName = _file.Constant([scale]);
        string zero = _file.Constant([(byte)Math.Clamp(MathF.Round(-least / scale), 0, ActivationLevels)], OnnxType.UInt8);
        NodeProto bytes = _file.Detached("QuantizeLinear", [activation, scaleName, zero]);
        NodeProto values = _file.Detached("DequantizeLinear", [bytes.Output[0], scaleName, zero]);
        nodes.AddRange([bytes, values]);
        return (values.Output[0], scale);
    }

    private void RoundWeights(List<NodeProto> nodes, NodeProto node, NodeProto copy, float inputScale, HashSet<string> replaced)
    {
        TensorProto weight = _constants[node.Input[1]];
        ReadOnlySpan<float> values = MemoryMarshal.Cast<byte, float>(weight.RawData.Span);
        long[] dimensions = [.. weight.Dims];
        int axis = node.OpType == "Conv" ? 0 : 1, channels = (int)dimensions[axis];
        int step = (int)dimensions.Skip(axis + 1).Aggregate(1L, (product, size) => product * size);
        TensorProto? bias = node.Input.Count > 2 ? _constants[node.Input[2]] : null;
        ReadOnlySpan<float> biases = bias is null ? [] : MemoryMarshal.Cast<byte, float>(bias.RawData.Span);

        float[] scales = new float[channels];
        for (int i = 0; i < values.Length; i++)
            scales[i / step % channels] = Math.Max(scales[i / step % channels], Math.Abs(values[i]) / WeightLevels);
        for (int channel = 0; channel < channels; channel++)
        {
            float least = bias is null ? 0 : Math.Abs(biases[channel]) / MaximumBias / inputScale;
            scales[channel] = Math.Max(scales[channel], least);
            if (scales[channel] == 0)
                scales[channel] = 1;
        }

        sbyte[] rounded = new sbyte[values.Length];
        for (int i = 0; i < values.Length; i++)
            rounded[i] = (sbyte)MathF.Round(values[i] / scales[i / step % channels]);
        copy.Input[1] = Dequantize(nodes, MemoryMarshal.AsBytes<sbyte>(rounded), OnnxType.Int8, dimensions, scales, axis);
        replaced.Add(weight.Name);
        if (bias is null)
            return;

        float[] biasScales = [.. scales.Select(scale => scale * inputScale)];
        int[] roundedBias = new int[channels];
        for (int channel = 0; channel < channels; channel++)
            roundedBias[channel] = (int)Math.Round((double)biases[channel] / biasScales[channel]);
        copy.Input[2] = Dequantize(nodes, MemoryMarshal.AsBytes<int>(roundedBias), OnnxType.Int32, [channels], biasScales, axis: 0);
        replaced.Add(bias.Name);
    }

    private string Dequantize(
        List<NodeProto> nodes, ReadOnlySpan<byte> rounded, OnnxType type, long[] dimensions, float[] scales, long axis)
    {
        // The zeros are the default, and told because ONNX Runtime looks for them where it turns weights into bytes without sign.
        byte[] zeros = new byte[scales.Length * (type == OnnxType.Int8 ? sizeof(sbyte) : sizeof(int))];
        NodeProto node = _file.Detached("DequantizeLinear", [_file.Constant(rounded, type, dimensions),
            _file.Constant(scales, scales.Length), _file.Constant(zeros, type, scales.Length)], ("axis", axis));
        nodes.Add(node);
        return node.Output[0];
    }
}
