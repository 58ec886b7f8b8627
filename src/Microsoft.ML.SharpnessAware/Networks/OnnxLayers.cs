using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>TorchSharp's layers, in evaluation mode, as operators of ONNX.</summary>
internal static class OnnxLayers
{
    private const int HasLayerNormalization = 17;

    /// <summary>Adds a layer; null where its kind is not known.</summary>
    public static string? Add(OnnxGraphWriter graph, nn.Module layer, string input) => layer switch
    {
        Conv2d convolution => Convolution(graph, convolution, null, input),
        Linear linear => Linear(graph, linear, input),
        BatchNorm1d or BatchNorm2d or ImageBatchNorm => BatchNorm(graph, (NormBase)layer, input),
        LayerNorm norm => LayerNormalization(graph, norm, input),
        MaxPool2d pool => MaxPool(graph, pool, input),
        AvgPool2d { divisor_override: null } pool => AveragePool(graph, pool, input),
        AdaptiveAvgPool2d pool when pool.output_size.All(size => size == 1) => graph.Node("GlobalAveragePool", [input]),
        Flatten { end_dim: -1, start_dim: 1 } => graph.Node("Flatten", [input]),     // -1 in a shape: not without images
        Flatten { end_dim: -1, start_dim: 0 } => graph.Node("Reshape", [input, graph.Vector(-1)]),
        Flatten { end_dim: -1, start_dim: > 1 } flatten => Flattened(graph, input, flatten.start_dim),
        Dropout or Dropout1d or Dropout2d or AlphaDropout or Identity => input,
        ReLU => graph.Node("Relu", [input]),
        ReLU6 => graph.Node("Clip", [input, graph.Constant([0f]), graph.Constant([6f])]),
        LeakyReLU leaky => graph.Node("LeakyRelu", [input], ("alpha", (float)leaky.negative_slope)),
        ELU elu => graph.Node("Elu", [input], ("alpha", (float)elu.alpha)),
        GELU { approximate: GELU.Approximate.none } => Gelu(graph, input),
        SiLU => graph.Node("Mul", [input, graph.Node("Sigmoid", [input])]),
        Hardswish => graph.Node("Mul", [input, graph.Node("HardSigmoid", [input], ("alpha", 1f / 6), ("beta", 0.5f))]),
        Sigmoid => graph.Node("Sigmoid", [input]),
        Tanh => graph.Node("Tanh", [input]),
        _ => null,
    };

    /// <summary>A convolution, with the batch norm that follows it made part of its weights.</summary>
    /// <param name="graph">Where to.</param>
    /// <param name="layer">The convolution.</param>
    /// <param name="batchNorm">The batch norm behind it; null for none.</param>
    /// <param name="input">The images.</param>
    /// <param name="roundsDown">For a stride of 2: whether half of an odd size is rounded down (see <see cref="Layers.Halved"/>).</param>
    /// <exception cref="NotSupportedException">The convolution pads with something else than zeros.</exception>
    public static string Convolution(OnnxGraphWriter graph, Conv2d layer, NormBase? batchNorm, string input, bool roundsDown = false)
    {
        if (layer.padding_mode != PaddingModes.Zeros || layer.padding_type is not null)
            throw new NotSupportedException("A convolution whose padding is not a number of zeros cannot be written as ONNX.");
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGradient = no_grad();
        Tensor weight = layer.weight.to(CPU).to(float64);
        Tensor bias = layer.bias?.to(CPU).to(float64) ?? zeros([layer.out_channels], float64, CPU);
        if (batchNorm is not null)
        {
            (Tensor scale, Tensor shift) = ScaleAndShift(batchNorm);
            weight = weight.mul(scale.view(-1, 1, 1, 1));
            bias = bias.mul(scale).Plus(shift);
        }

        long[] pads = Pads(layer.padding ?? [0]);
        if (roundsDown && layer.kernel_size.All(size => size == 1))
            weight = nn.functional.pad(weight, [0, 1, 0, 1]);   // a window of two that looks at its first value only
        else if (roundsDown)
            pads = LessAtTheEnd(pads);
        return graph.Node(
            "Conv", [input, Constant(graph, weight.to(float32)), Constant(graph, bias.to(float32))],
            ("kernel_shape", weight.shape[2..]), ("strides", Pair(layer.stride)), ("pads", pads), ("dilations", Pair(layer.dilation)),
            ("group", layer.groups));
    }

    /// <summary>Max pooling whose half of an odd size is rounded down or not.</summary>
    public static string MaxPool(OnnxGraphWriter graph, string input, long kernelSize, long stride, long padding, bool roundsDown = false)
    {
        long[] pads = Pads([padding]);
        return graph.Node("MaxPool", [input], ("kernel_shape", Pair([kernelSize])), ("strides", Pair([stride])),
            ("pads", roundsDown ? LessAtTheEnd(pads) : pads));
    }

    /// <summary>x Φ(x).</summary>
    public static string Gelu(OnnxGraphWriter graph, string input)
    {
        string error = graph.Node("Erf", [graph.Node("Div", [input, graph.Constant([MathF.Sqrt(2)], 1)])]);
        string twice = graph.Node("Mul", [input, graph.Node("Add", [error, graph.Constant([1f], 1)])]);
        return graph.Node("Mul", [twice, graph.Constant([0.5f], 1)]);
    }

    /// <summary>The mean of each channel of images, [batch, channels].</summary>
    public static string GlobalAveragePool(OnnxGraphWriter graph, string input) => graph.Mean(input, keepDimensions: false, 2, 3);

    /// <summary>A constant of a tensor's values.</summary>
    public static string Constant(OnnxGraphWriter graph, Tensor values)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGradient = no_grad();
        Tensor stored = values.detach().to(CPU).contiguous();
        return stored.dtype == ScalarType.Int64
            ? graph.Constant(stored.data<long>().ToArray(), stored.shape)
            : graph.Constant(stored.to(float32).data<float>().ToArray(), stored.shape);
    }

    /// <summary>Null where rounding up gives a window that begins beyond the last pixel: torch leaves it out, ONNX Runtime not always.
    /// </summary>
    private static string? MaxPool(OnnxGraphWriter graph, MaxPool2d layer, string input)
    {
        long[] kernel = Pair(layer.kernel_size), strides = Pair(layer.stride ?? layer.kernel_size);
        long[] padding = Pair(layer.padding ?? [0]), dilations = Pair(layer.dilation ?? [1]);
        if (layer.ceil_mode && Enumerable.Range(0, 2).Any(i => strides[i] + padding[i] > (dilations[i] * (kernel[i] - 1)) + 1))
            return null;
        return graph.Node("MaxPool", [input], ("kernel_shape", kernel), ("strides", strides), ("pads", Pads(padding)),
            ("dilations", dilations), ("ceil_mode", layer.ceil_mode ? 1L : 0L));
    }

    /// <summary>
    /// Average pooling in a form that all versions of ONNX Runtime compute alike. A window that hangs over the edge (ceil_mode) is divided
    /// by what it holds only where padding does not count (its issue 16203), and unequal padding that counts is wrong from opset 19 on.
    /// </summary>
    private static string? AveragePool(OnnxGraphWriter graph, AvgPool2d layer, string input)
    {
        const int divisorOfPadding = 19;
        long[] kernel = Pair(layer.kernel_size), strides = Pair(layer.stride ?? layer.kernel_size), padding = Pair(layer.padding ?? [0]);
        bool isPadded = padding.Any(pixels => pixels > 0), counts = isPadded && layer.count_include_pad;
        if (layer.ceil_mode && (isPadded || strides[0] > kernel[0] || strides[1] > kernel[1]))
            return null;
        if (counts && padding[0] != padding[1] && graph.OpsetVersion >= divisorOfPadding)
            return null;
        return graph.Node("AveragePool", [input], ("kernel_shape", kernel), ("strides", strides), ("pads", Pads(padding)),
            ("count_include_pad", counts ? 1L : 0L), ("ceil_mode", layer.ceil_mode ? 1L : 0L));
    }

    private static string Linear(OnnxGraphWriter graph, Linear layer, string input)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGradient = no_grad();
        string product = graph.Node("MatMul", [input, Constant(graph, layer.weight.t())]);
        return layer.bias is null ? product : graph.Node("Add", [product, Constant(graph, layer.bias)]);
    }

    private static string BatchNorm(OnnxGraphWriter graph, NormBase layer, string input)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGradient = no_grad();
        (Tensor scale, Tensor shift) = ScaleAndShift(layer);
        if (layer is BatchNorm1d)
        {
            // Of vectors or of sequences: the operator knows which, where the shapes of a product would have to be told.
            long channels = layer.num_features;
            Tensor mean = zeros(channels, device: CPU), variance = ones(channels, device: CPU);
            return graph.Node("BatchNormalization",
                [input, Constant(graph, scale), Constant(graph, shift), Constant(graph, mean), Constant(graph, variance)],
                ("epsilon", 0f));
        }

        string scaled = graph.Node("Mul", [input, Constant(graph, scale.view(-1, 1, 1))]);
        return graph.Node("Add", [scaled, Constant(graph, shift.view(-1, 1, 1))]);
    }

    private static string LayerNormalization(OnnxGraphWriter graph, LayerNorm layer, string input)
    {
        if (layer.normalized_shape.Length != 1 || layer.weight is null || layer.bias is null)
            throw new NotSupportedException("A layer norm over several dimensions, or without weights, cannot be written as ONNX.");
        string weight = Constant(graph, layer.weight), bias = Constant(graph, layer.bias);
        if (graph.OpsetVersion >= HasLayerNormalization)
            return graph.Node("LayerNormalization", [input, weight, bias], ("axis", -1L), ("epsilon", (float)layer.eps));
        string centred = graph.Node("Sub", [input, graph.Mean(input, keepDimensions: true, -1)]);
        string variance = graph.Mean(graph.Node("Mul", [centred, centred]), keepDimensions: true, -1);
        string deviation = graph.Node("Sqrt", [graph.Node("Add", [variance, graph.Constant([(float)layer.eps], 1)])]);
        return graph.Node("Add", [graph.Node("Mul", [graph.Node("Div", [centred, deviation]), weight]), bias]);
    }

    /// <summary>What a batch norm does in evaluation mode, y = scale · x + shift, in float64.</summary>
    private static (Tensor Scale, Tensor Shift) ScaleAndShift(NormBase layer)
    {
        if (layer.running_mean is null || layer.running_var is null)
            throw new NotSupportedException("A batch norm without running statistics cannot be written as ONNX.");
        using Scalar epsilon = layer.eps.ToScalar();
        Tensor scale = layer.running_var.to(CPU).to(float64).Plus(epsilon).rsqrt();
        if (layer.weight is not null)
            scale = scale.mul(layer.weight.to(CPU).to(float64));
        Tensor shift = layer.running_mean.to(CPU).to(float64).mul(scale).neg();
        return (scale, layer.bias is null ? shift : shift.Plus(layer.bias.to(CPU).to(float64)));
    }

    /// <summary>Dimensions from one on made one. The operator Flatten makes those before it one, too, but it knows the size of the
    /// others.</summary>
    private static string Flattened(OnnxGraphWriter graph, string input, long start)
    {
        string shape = graph.Node("Shape", [graph.Node("Flatten", [input], ("axis", start))]);
        // 0, …, 0, size: those before are kept. Not by Concat, of which ONNX Runtime would make 0, …, 0, -1.
        string size = graph.Node("Gather", [shape, graph.Vector([.. Enumerable.Repeat(1L, (int)start + 1)])], ("axis", 0L));
        string target = graph.Node("Mul", [size, graph.Vector([.. Enumerable.Repeat(0L, (int)start), 1])]);
        return graph.Node("Reshape", [input, target]);
    }

    private static long[] Pair(long[] sizes) => sizes.Length == 1 ? [sizes[0], sizes[0]] : sizes;

    private static long[] Pads(long[] padding) => padding.Length == 1
        ? [padding[0], padding[0], padding[0], padding[0]]
        : [padding[0], padding[1], padding[0], padding[1]];

    private static long[] LessAtTheEnd(long[] pads) => [pads[0], pads[1], pads[2] - 1, pads[3] - 1];
}
