using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// All trainable parameters of a module as views of one vector W, and their gradients collected in another, G, so that a climb, a copy or
/// an update is one operation however many layers there are.
/// </summary>
/// <remarks>
/// <para>
/// Parameters are ordered by group, within a group those of more than one dimension come first, and then by the module's order, so that
/// what is treated alike lies side by side. A parameter that two layers share is there once, under its first name. Which parameters are
/// trainable (<c>requires_grad</c>) is decided here, once. Each keeps its memory layout, channels-last for example.
/// </para>
/// <para>
/// The module's parameters stay the objects that they were: <c>state_dict</c>, <c>save</c> and <c>load</c> work and see W. Replacing them,
/// as a converting or moving <c>to</c> does, cuts the connection; that is noticed, and an error.
/// </para>
/// <para>
/// A backward pass leaves a parameter that the loss does not depend on without a gradient, which is not the same as a gradient of zero. So
/// gradients are null before it, and what it made is copied into G afterwards.
/// </para>
/// </remarks>
internal sealed class FlatParameters : IDisposable
{
    private readonly nn.Module _module;
    private readonly IDisposable _owned;
    private readonly List<FlatParameter> _members = [];
    private readonly List<(string Name, Parameter Parameter)> _notTrained = [];
    private readonly List<Parameter> _frozenByGroup = [];

    public FlatParameters(nn.Module module, IReadOnlyList<ParameterGroup>? groups = null)
    {
        _module = module;
        Dictionary<string, ParameterGroup> groupOf = groups is null ? [] : ParameterGroup.Assign(module, groups);
        (string Name, Parameter Value)[] all = TiedParameters.Once(module.named_parameters(), groupOf);
        List<ParameterGroup?> order = groups is null ? [null] : [null, .. groups];
        (string Name, Parameter Value, ParameterGroup? Group)[] parameters = [.. all
            .Select(p => (p.Name, p.Value, Group: groupOf.GetValueOrDefault(p.Name)))
            .Where(p => p.Value.requires_grad && p.Group?.Frozen != true)
            .OrderBy(p => order.FindIndex(group => ReferenceEquals(group, p.Group)))
            .ThenBy(p => p.Value.dim() > 1 ? 0 : 1)];
        Check([.. parameters.Select(p => (p.Name, p.Value))]);
        HashSet<string> trained = [.. parameters.Select(p => p.Name)];
        TiedParameters.CheckApart(parameters.Select(p => (p.Name, p.Value)),
            [.. all.Where(p => !trained.Contains(p.Name)).Select(p => (p.Name, (Tensor)p.Value)), .. module.named_buffers()]);
        _owned = OwnedTensors.Take(parameters.Select(p => (p.Name, (Tensor)p.Value)), this);

        Parameter first = parameters[0].Value;
        DType = first.dtype;
        Device = first.device;
        Names = [.. parameters.Select(p => $"{p.Name} [{string.Join(", ", p.Value.shape)}]")];

        using DisposeScope scope = NewDisposeScope();
        using var noGradient = no_grad();
        Count = parameters.Sum(p => p.Value.numel());
        try
        {
            Weights = CreateState();
            Gradient = CreateState();
            long offset = 0;
            foreach ((string name, Parameter parameter, ParameterGroup? group) in parameters)
            {
                Tensor view = ViewLike(parameter, Weights, offset);
                Tensor gradientView = ViewLike(parameter, Gradient, offset).DetachFromDisposeScope();
                view.copy_(parameter);
                parameter.set_(view);
                _members.Add(new FlatParameter(name, parameter, gradientView, offset, group));
                offset += parameter.numel();
            }
        }
        catch       // out of memory
        {
            Dispose();
            throw;
        }
        foreach ((string name, Parameter parameter) in all.Where(p => !trained.Contains(p.Name)))
        {
            if (parameter.requires_grad)
                _frozenByGroup.Add(parameter);
            parameter.requires_grad = false;
            _notTrained.Add((name, parameter));
        }
    }

    /// <summary>W.</summary>
    public Tensor Weights { get; }

    /// <summary>G.</summary>
    public Tensor Gradient { get; }

    /// <summary>The module's buffers, such as running statistics, which are no parameters.</summary>
    public IEnumerable<Tensor> Buffers => _module.named_buffers().Select(entry => entry.buffer);

    /// <summary>Number of trainable values.</summary>
    public long Count { get; }

    public ScalarType DType { get; }

    public Device Device { get; }

    /// <summary>Names and shapes in the order of W.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>The parameters in the order of W.</summary>
    public IReadOnlyList<FlatParameter> Members => _members;

    /// <summary>A vector of zeros like W, which outlives any dispose scope.</summary>
    public Tensor CreateState() => zeros(Count, DType, Device).DetachFromDisposeScope();

    /// <summary>
    /// The parts of W of parameters with equal keys, as few as possible: neighbours are one part. Null leaves a parameter out.
    /// </summary>
    public IReadOnlyList<(long Start, long Length, TKey Key)> Runs<TKey>(Func<FlatParameter, TKey?> key)
        where TKey : struct, IEquatable<TKey>
    {
        var runs = new List<(long Start, long Length, TKey Key)>();
        foreach (FlatParameter member in _members)
        {
            if (key(member) is not { } own)
                continue;
            if (runs is [.., var last] && last.Start + last.Length == member.Offset && last.Key.Equals(own))
                runs[^1] = (last.Start, last.Length + member.Length, own);
            else
                runs.Add((member.Offset, member.Length, own));
        }
        return runs;
    }

    /// <summary>Makes sure that the next backward pass makes new gradients.</summary>
    /// <exception cref="InvalidOperationException">
    /// The module's parameters are no longer those of W, or one requires a gradient now that did not when the optimiser was made.
    /// </exception>
    public void PrepareGradient()
    {
        CheckInPlace();
        foreach (FlatParameter member in _members)
        {
            member.HasGradient = false;
            if (member.Parameter.grad is { } earlier)
            {
                earlier.Dispose();
                member.Parameter.grad = null;
            }
        }
        foreach ((string name, Parameter parameter) in _notTrained)
        {
            if (!parameter.IsInvalid && parameter.requires_grad)
            {
                throw new InvalidOperationException(
                    $"Parameter '{name}' requires a gradient now, but did not when the optimiser was made, so that the optimiser does " +
                    "not train it. Dispose the optimiser and make a new one after freeing parameters.");
            }
        }
    }

    /// <summary>Checks that nobody but the optimiser has run a backward pass, nor moved a parameter in the forward pass.</summary>
    /// <exception cref="InvalidOperationException">A parameter has a gradient, or is no longer a part of W.</exception>
    public void ExpectNoGradient()
    {
        CheckInPlace();
        foreach (FlatParameter member in _members)
        {
            if (member.Parameter.grad is { } early)
            {
                early.Dispose();
                member.Parameter.grad = null;
                throw new InvalidOperationException(
                    $"Parameter '{member.Name}' has a gradient before the backward pass: the function that computes the loss called " +
                    "backward() itself. The optimiser does that; return the logits or the loss only.");
            }
        }
    }

    /// <summary>Adds what a backward pass made to G, whose earlier values do not count where it is the pass's first.</summary>
    public void CollectGradient()
    {
        foreach (FlatParameter member in _members)
        {
            using Tensor? gradient = member.Parameter.grad;
            if (gradient is null)
                continue;
            bool isSparse = gradient.is_sparse;         // that of an embedding, where it was asked for
            if (isSparse && !member.HasGradient)
                member.GradientView.zero_();
            if (isSparse || member.HasGradient)
                member.GradientView.add_(gradient, FixedScalars.One);
            else
                member.GradientView.copy_(gradient);
            member.HasGradient = true;
            member.Parameter.grad = null;
        }
    }

    /// <summary>Ends a pass: G is zero where no backward pass made a gradient.</summary>
    /// <exception cref="InvalidOperationException">None made any, or the module's parameters are no longer those of W.</exception>
    public void CompleteGradient()
    {
        bool any = false, all = true;
        foreach (FlatParameter member in _members)
        {
            any |= member.HasGradient;
            all &= member.HasGradient;
            if (!member.HasGradient)
                member.GradientView.zero_();
        }
        if (!all)
            CheckNotReplaced();
        if (!any)
            throw new InvalidOperationException("The loss does not depend on any of the module's trainable parameters.");
    }

    public void Dispose()
    {
        _owned.Dispose();
        foreach (FlatParameter member in _members)
        {
            if (!member.Parameter.IsInvalid)
                member.Parameter.grad = null;
            member.GradientView.Dispose();
        }
        foreach (Parameter parameter in _frozenByGroup.Where(parameter => !parameter.IsInvalid))
            parameter.requires_grad = true;
        _frozenByGroup.Clear();
        Weights?.Dispose();     // of a constructor that failed, there may be none
        Gradient?.Dispose();
    }

    /// <summary>Checks that each parameter is a view of its part of W: a gradient would be found for any other, and would change
    /// nothing.</summary>
    private void CheckInPlace()
    {
        IntPtr storage = TensorIdentity.StorageOf(Weights);
        foreach (FlatParameter member in _members)
        {
            if (member.Parameter.IsInvalid || member.Parameter.dtype != DType || TensorIdentity.StorageOf(member.Parameter) != storage
                || member.Parameter.storage_offset() != member.Offset)
                throw Replaced(member.Name);
        }
    }

    // The pass that finds a parameter without a gradient cannot tell whether it is not used or no longer the module's.
    private void CheckNotReplaced()
    {
        HashSet<IntPtr> current = [.. _module.parameters().Select(p => p.Handle)];
        foreach (FlatParameter member in _members)
        {
            if (!current.Contains(member.Parameter.Handle))
                throw Replaced(member.Name);
        }
    }

    private static InvalidOperationException Replaced(string name) => new(
        $"Parameter '{name}' of the module was replaced after the optimiser was made, as to(), cuda(), vector_to_parameters(), " +
        "flatten_parameters() or a load on the GPU do. Convert, move and load the module first, then make the optimiser.");

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
            if (parameter.device_type is not (DeviceType.CPU or DeviceType.CUDA))
            {
                // Numbers of a pass are float64, which Apple's GPUs do not have.
                throw new ArgumentException(
                    $"Parameter '{name}' is on {parameter.device}; the optimiser works on the CPU and on CUDA. Move the module there.",
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
