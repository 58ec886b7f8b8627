using System.Reflection;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>An ONNX graph that a network describes itself in; see <see cref="IOnnxNetwork"/>.</summary>
public sealed class OnnxNetworkGraph
{
    private readonly OnnxGraphWriter _writer;
    private readonly Stack<string> _path = [];

    internal OnnxNetworkGraph(OnnxGraphWriter writer, string networkName)
    {
        _writer = writer;
        _path.Push(networkName);
    }

    /// <summary>The version of the standard operators, which decides what attributes and inputs some of them have.</summary>
    public int OpsetVersion => _writer.OpsetVersion;

    /// <summary>
    /// Adds a layer: one that describes itself (<see cref="IOnnxNetwork"/>), a <c>Sequential</c>, or one of TorchSharp's that is known
    /// here: Conv2d, Linear, BatchNorm1d and 2d, LayerNorm, MaxPool2d, AvgPool2d, AdaptiveAvgPool2d to 1×1, Flatten, Dropout, Identity,
    /// ReLU, ReLU6, LeakyReLU, ELU, GELU, SiLU, Hardswish, Sigmoid, Tanh. A batch norm behind a convolution in a Sequential is made part
    /// of it.
    /// </summary>
    /// <exception cref="NotSupportedException">The layer is of another kind, overrides the <c>forward</c> of one of these, has forward
    /// hooks, or has a setting that is not supported.</exception>
    public OnnxValue Layer(nn.Module layer, OnnxValue input)
    {
        ArgumentNullException.ThrowIfNull(layer);
        CheckHooks(layer);
        return layer switch
        {
            IOnnxNetwork network => Overrides(layer, DescriberOf(network)) ? throw NotKnown(layer) : network.Describe(this, input),
            Sequential sequential when !Overrides(layer, typeof(Sequential)) => AddSequential(sequential, input),
            _ => new(OnnxLayers.Add(_writer, layer, input.Name) ?? throw NotKnown(layer)),
        };
    }

    /// <summary>Adds a convolution and the batch norm behind it as one convolution.</summary>
    /// <exception cref="NotSupportedException">The convolution has a setting that is not supported.</exception>
    public OnnxValue Layer(Conv2d convolution, BatchNorm2d batchNorm, OnnxValue input)
    {
        ArgumentNullException.ThrowIfNull(convolution);
        ArgumentNullException.ThrowIfNull(batchNorm);
        return Layer(convolution, (BatchNorm)batchNorm, input);
    }

    /// <summary>Adds a standard operator of ONNX that has one output.</summary>
    /// <param name="type">Its type, for example <c>Add</c>.</param>
    /// <param name="inputs">Its inputs.</param>
    /// <param name="attributes">Its attributes: long, int, bool (1 or 0), long[], float or string.</param>
    /// <exception cref="ArgumentException">An attribute is of another type.</exception>
    public OnnxValue Operator(string type, OnnxValue[] inputs, params (string Name, object Value)[] attributes) =>
        new(_writer.Node(type, [.. inputs.Select(input => input.Name)], attributes));

    /// <summary>A constant of a tensor's values, float32 or int64.</summary>
    public OnnxValue Constant(Tensor values) => new(OnnxLayers.Constant(_writer, values));

    /// <summary>A single number without dimensions, as float32.</summary>
    public OnnxValue Constant(double value) => new(_writer.Constant([(float)value]));

    /// <summary>A vector of int64: a shape, or axes.</summary>
    public OnnxValue Vector(params long[] values) => new(_writer.Vector(values));

    internal OnnxValue Layer(Conv2d convolution, BatchNorm batchNorm, OnnxValue input, bool roundsDown = false)
    {
        CheckHooks(convolution);
        CheckHooks(batchNorm);
        return new(OnnxLayers.Convolution(_writer, convolution, batchNorm, input.Name, roundsDown));
    }

    internal OnnxValue MaxPool(OnnxValue input, long kernelSize, long stride, long padding = 0, bool roundsDown = false) =>
        new(OnnxLayers.MaxPool(_writer, input.Name, kernelSize, stride, padding, roundsDown));

    internal OnnxValue GlobalAveragePool(OnnxValue input) => new(OnnxLayers.GlobalAveragePool(_writer, input.Name));

    internal OnnxValue Gelu(OnnxValue input) => new(OnnxLayers.Gelu(_writer, input.Name));

    internal OnnxValue Relu(OnnxValue input) => Operator("Relu", [input]);

    internal OnnxValue Add(OnnxValue first, OnnxValue second) => Operator("Add", [first, second]);

    internal OnnxValue Transpose(OnnxValue input, params long[] order) => Operator("Transpose", [input], ("perm", order));

    /// <summary>0 keeps a dimension.</summary>
    internal OnnxValue Reshape(OnnxValue input, params long[] shape) => Operator("Reshape", [input, Vector(shape)]);

    /// <summary>One place of a dimension, which goes.</summary>
    internal OnnxValue Select(OnnxValue input, long dimension, long place) =>
        Operator("Gather", [input, new(_writer.Constant([place]))], ("axis", dimension));

    private OnnxValue AddSequential(Sequential sequential, OnnxValue value)
    {
        (string Name, nn.Module Module)[] layers = [.. sequential.named_children().Select(child => (child.name, child.module))];
        for (int i = 0; i < layers.Length; i++)
        {
            _path.Push(layers[i].Name);
            // A batch norm with hooks has its own turn, in which it is named.
            if (layers[i].Module is Conv2d convolution && i + 1 < layers.Length && layers[i + 1].Module is BatchNorm2d or ImageBatchNorm
                && LayerHooks.Count(layers[i + 1].Module) == 0)
            {
                value = Layer(convolution, (BatchNorm)layers[++i].Module, value);
            }
            else
            {
                value = Layer(layers[i].Module, value);
            }
            _path.Pop();
        }
        return value;
    }

    /// <summary>The class whose description of the network this is.</summary>
    private static Type DescriberOf(IOnnxNetwork network) =>
        network.GetType().GetInterfaceMap(typeof(IOnnxNetwork)).TargetMethods[0].DeclaringType!;

    /// <summary>Whether the layer computes something else than a class that it is derived from.</summary>
    private static bool Overrides(nn.Module layer, Type known) =>
        Forward(known) is { IsAbstract: false } forward && Forward(layer.GetType())?.DeclaringType != forward.DeclaringType;

    private static MethodInfo? Forward(Type type) => type.GetMethod(nameof(Sequential.forward), [typeof(Tensor)]);

    private void CheckHooks(nn.Module layer)
    {
        if (LayerHooks.Count(layer) > 0)
        {
            throw new NotSupportedException(
                $"{Described(layer)}, has a forward hook, and what a hook does cannot be written as ONNX. Remove it before saving, or " +
                "let a layer compute what it does.");
        }
    }

    private NotSupportedException NotKnown(nn.Module layer) => new(
        $"{Described(layer)}, cannot be written as ONNX. Let it implement {nameof(IOnnxNetwork)}, with all that its own forward() " +
        $"computes, or use layers that are known: see {nameof(OnnxNetworkGraph)}.{nameof(Layer)}.");

    private string Described(nn.Module layer) =>
        $"The layer '{string.Join('.', _path.Reverse().Skip(1).DefaultIfEmpty(_path.Last()))}' of network '{_path.Last()}', " +
        layer.GetType().Name;
}
