using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// All trainable parameters of a module as views of one vector W, and their gradients as views of another, G, so that a climb, a copy or an
/// update is one operation however many layers there are.
/// </summary>
/// <remarks>
/// <para>
/// Parameters of more than one dimension come first, each group in the module's order, so weight decay on weights alone is one
/// <c>narrow</c>. A parameter that two layers share is there once. Which parameters are trainable (<c>requires_grad</c>) is decided here,
/// once. Each keeps its memory layout, channels-last for example.
/// </para>
/// <para>
/// The module's parameters stay the objects that they were: <c>state_dict</c>, <c>save</c> and <c>load</c> work and see W. Replacing them,
/// as a converting or moving <c>to</c> does, cuts the connection; that is noticed, and an error.
/// </para>
/// </remarks>
internal sealed class FlatParameters : IDisposable
{
    private readonly nn.Module _module;
    private readonly List<(string Name, Parameter Parameter, Tensor GradientView)> _members = [];
    private readonly long _matrixElements;

    public FlatParameters(nn.Module module)
    {
        _module = module;
        (string Name, Parameter Value)[] parameters = [.. module.named_parameters()
            .Where(p => p.parameter.requires_grad)
            .OrderBy(p => p.parameter.dim() > 1 ? 0 : 1)];
        Check(parameters);

        Parameter first = parameters[0].Value;
        DType = first.dtype;
        Device = first.device;
        Names = [.. parameters.Select(p => $"{p.Name} [{string.Join(", ", p.Value.shape)}]")];
        _matrixElements = parameters.Where(p => p.Value.dim() > 1).Sum(p => p.Value.numel());

        using DisposeScope scope = NewDisposeScope();
        using var noGradient = no_grad();
        Count = parameters.Sum(p => p.Value.numel());
        Weights = CreateState();
        Gradient = CreateState();
        long offset = 0;
        foreach ((string name, Parameter parameter) in parameters)
        {
            Tensor view = ViewLike(parameter, Weights, offset);
            Tensor gradientView = ViewLike(parameter, Gradient, offset).DetachFromDisposeScope();
            view.copy_(parameter);
            parameter.set_(view);
            _members.Add((name, parameter, gradientView));
            offset += parameter.numel();
        }
    }

    /// <summary>W.</summary>
    public Tensor Weights { get; }

    /// <summary>G.</summary>
    public Tensor Gradient { get; }

    /// <summary>Number of trainable values.</summary>
    public long Count { get; }

    public ScalarType DType { get; }

    public Device Device { get; }

    /// <summary>Names and shapes in the order of W.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>The parts of W that the named parameters take, as few as possible: neighbours are one part.</summary>
    public IReadOnlyList<(long Start, long Length)> RangesOf(Func<string, bool> isNamed)
    {
        var ranges = new List<(long Start, long Length)>();
        long offset = 0;
        foreach ((string name, Parameter parameter, _) in _members)
        {
            long length = parameter.numel();
            if (isNamed(name))
            {
                if (ranges is [.., (long start, long before)] && start + before == offset)
                    ranges[^1] = (start, before + length);
                else
                    ranges.Add((offset, length));
            }
            offset += length;
        }
        return ranges;
    }

    /// <summary>A vector of zeros like W, which outlives any dispose scope.</summary>
    public Tensor CreateState() => zeros(Count, DType, Device).DetachFromDisposeScope();

    /// <summary>The part of a flat vector on which weight decay acts.</summary>
    public Tensor Decayed(Tensor vector, BaseOptimizer settings) =>
        settings.DecayBiasAndNorm ? vector : vector.narrow(0, 0, _matrixElements);

    /// <summary>Sets G to zero and makes sure that the next backward pass adds to it, also after the user's <c>zero_grad</c>.</summary>
    /// <exception cref="InvalidOperationException">The module's parameters are no longer those of W.</exception>
    public void PrepareGradient()
    {
        Gradient.zero_();
        foreach ((string name, Parameter parameter, Tensor gradientView) in _members)
        {
            if (parameter.IsInvalid)
                throw Replaced(name);
            parameter.grad = gradientView;
        }
    }

    /// <summary>A thorough check, for when the gradient is exactly zero: either it is, or the module works with other parameters.</summary>
    /// <exception cref="InvalidOperationException">The module's parameters are no longer those of W.</exception>
    public void CheckNotReplaced()
    {
        HashSet<IntPtr> current = [.. _module.parameters().Select(p => p.Handle)];
        foreach ((string name, Parameter parameter, _) in _members)
        {
            if (!current.Contains(parameter.Handle))
                throw Replaced(name);
        }
    }

    public void Dispose()
    {
        foreach ((_, Parameter parameter, Tensor gradientView) in _members)
        {
            if (!parameter.IsInvalid)
                parameter.grad = null;
            gradientView.Dispose();
        }
        Weights.Dispose();
        Gradient.Dispose();
    }

    private static InvalidOperationException Replaced(string name) => new(
        $"Parameter '{name}' of the module was replaced after the optimiser was made, as to(), cuda() or a load on the GPU do. " +
        "Convert, move and load the module first, then make the optimiser.");

    private static void Check((string Name, Parameter Value)[] parameters)
    {
        if (parameters.Length == 0)
        {
            throw new ArgumentException(
                "The module has no trainable parameters: none is registered (a module of your own calls RegisterComponents() in its " +
                "constructor), or requires_grad is false on all.", "module");
        }

        (string firstName, Parameter first) = parameters[0];
        foreach ((string name, Parameter parameter) in parameters)
        {
            if (parameter.dtype is not (ScalarType.Float32 or ScalarType.Float64))
                throw new ArgumentException($"Parameter '{name}' is {parameter.dtype}; parameters must be Float32 or Float64.", "module");
            if (parameter.dtype != first.dtype)
            {
                throw new ArgumentException(
                    $"Parameter '{name}' is {parameter.dtype} but '{firstName}' is {first.dtype}; convert the module to one type.",
                    "module");
            }
            if (parameter.device_type != first.device_type || parameter.device_index != first.device_index)
            {
                throw new ArgumentException(
                    $"Parameter '{name}' is on {parameter.device} but '{firstName}' is on {first.device}; move the module to one device.",
                    "module");
            }
        }
    }

    /// <summary>The view of a flat vector at an offset, with the shape of a tensor and the order of its dimensions in memory.</summary>
    private static Tensor ViewLike(Tensor tensor, Tensor vector, long offset)
    {
        long[] shape = tensor.shape, stride = tensor.stride();
        // Of two with the same stride the one of length 1 is inside: that is how channels-last weights of a single channel are told.
        long[] outermostFirst =
            [.. Enumerable.Range(0, shape.Length).OrderByDescending(d => stride[d]).ThenByDescending(d => shape[d]).Select(d => (long)d)];
        long[] inverse = [.. Enumerable.Range(0, shape.Length).Select(d => (long)Array.IndexOf(outermostFirst, d))];
        return vector.narrow(0, offset, tensor.numel()).view([.. outermostFirst.Select(d => shape[d])]).permute(inverse);
    }
}
