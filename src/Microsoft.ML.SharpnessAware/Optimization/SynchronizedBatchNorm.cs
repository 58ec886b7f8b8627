using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Makes the batch norm layers of a network, in training mode, normalise by the images of all processes of a group: their outputs,
/// gradients and running statistics are those of one process with all images.
/// </summary>
/// <remarks>
/// With the layer's own mean μ and deviation σ and those of all images, M and S, (x − M)/S is the local (x − μ)/σ times σ/S plus
/// (μ − M)/S. So the native operation does the work, with a scale and a shift that depend on statistics, and the gradient runs through a
/// sum over all processes of a few numbers a channel: one exchange a layer in a forward pass, and one in a backward pass.
/// </remarks>
internal sealed class SynchronizedBatchNorm : IDisposable
{
    private readonly ProcessGroup _group;
    private readonly (string Name, BatchNorm Layer, ReplacedForward Replaced)[] _layers;
    private readonly HashSet<string> _known = [];
    private (string Name, BatchNorm Layer, ReplacedForward Replaced, long Difference)[] _unknown = [];
    private double _weight = 1;
    private Exception? _failure;

    public SynchronizedBatchNorm(nn.Module network, ProcessGroup group)
    {
        _group = group;
        _layers =
        [
            .. network.named_modules().Append((name: "", module: network)).DistinctBy(entry => entry.module)
                .Where(entry => entry.module is BatchNorm && IsKnown(entry.module))
                .Select(entry => (entry.name, (BatchNorm)entry.module, Replace((BatchNorm)entry.module))),
        ];

        ReplacedForward Replace(BatchNorm layer) =>
            new(layer, input => BatchStatistics.AreKept(layer, input), input => Normalize(layer, input));
    }

    /// <summary>To be called before a pass.</summary>
    /// <param name="weight">What this process' samples count in the mean over those of all, which its gradients are multiplied by
    /// afterwards.</param>
    /// <exception cref="InvalidOperationException">A layer has hooks, and would not be synchronised.</exception>
    public void Begin(double weight)
    {
        foreach ((string name, _, ReplacedForward replaced) in _layers)
        {
            if (replaced.HasOtherHooks)
            {
                throw new InvalidOperationException(
                    $"Layer '{name}' has a forward hook of its own, which cannot see a batch norm that is synchronised: something else " +
                    "takes the place of its pass. Remove the hook, put it on a layer beside, or do without SynchronizeBatchNorm.");
            }
        }
        (_weight, _failure) = (weight, null);
        _unknown = [.. _layers.Where(entry => !_known.Contains(entry.Name) && BatchStatistics.AreKept(entry.Layer))
            .Select(entry => (entry.Name, entry.Layer, entry.Replaced, BatchStatistics.Count(entry.Layer) - entry.Replaced.Passes))];
    }

    /// <summary>To be called after a forward pass.</summary>
    /// <exception cref="InvalidOperationException">A layer counted a pass that was not replaced.</exception>
    public void CheckForward()
    {
        string[] missed = [.. _unknown.Where(entry => BatchStatistics.Count(entry.Layer) - entry.Replaced.Passes != entry.Difference)
            .Select(entry => $"'{entry.Name}'")];
        if (missed.Length > 0)
        {
            throw new InvalidOperationException(
                $"Batch norm in {string.Join(", ", missed)} was not synchronised: the network runs it by forward(), where only call() " +
                "can be replaced. Write norm.call(x) for norm.forward(x), or do without SynchronizeBatchNorm.");
        }
        _known.UnionWith(_unknown.Where(entry => entry.Replaced.Passes > 0).Select(entry => entry.Name));
    }

    /// <summary>To be called after a backward pass, out of which no exception may come.</summary>
    /// <exception cref="ProcessGroupException">An exchange in it failed.</exception>
    public void CheckBackward()
    {
        if (_failure is not null)
            throw new ProcessGroupException(_failure.Message, (_failure as ProcessGroupException)?.Rank, _failure);
    }

    public void Dispose() => Array.ForEach(_layers, entry => entry.Replaced.Dispose());

    /// <summary>Whether it is TorchSharp's or the library's; one of somebody's own may compute something else.</summary>
    private static bool IsKnown(nn.Module layer) =>
        layer.GetType().Assembly == typeof(BatchNorm).Assembly || layer.GetType().Assembly == typeof(SynchronizedBatchNorm).Assembly;

    private Tensor Normalize(NormBase layer, Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        long channels = x.shape[1];
        long[] others = [.. Enumerable.Range(0, (int)x.dim()).Where(dimension => dimension != 1).Select(dimension => (long)dimension)];
        double count = x.numel() / channels;
        using Scalar held = count.ToScalar(), epsilon = layer.eps.ToScalar();

        // Sums of differences from a value that all processes have, near the mean as soon as it is known, so that nothing cancels.
        Tensor origin = layer.running_mean!.detach().to(float64);
        (Tensor variance, Tensor mean) = var_mean(x, others, unbiased: false);
        (mean, variance) = (mean.to(float64) - origin, variance.to(float64));
        Tensor own = cat([mean * held, variance.Plus(mean * mean) * held, tensor([count], device: x.device)]);
        Tensor all = SumOfAll.apply(own, this);
        Tensor total = all.narrow(0, 2 * channels, 1);
        Tensor meanOfAll = all.narrow(0, 0, channels) / total;
        Tensor varianceOfAll = (all.narrow(0, channels, channels) / total) - (meanOfAll * meanOfAll);

        Tensor deviation = varianceOfAll.Plus(epsilon).sqrt();
        Tensor scale = variance.Plus(epsilon).sqrt() / deviation, shift = (mean - meanOfAll) / deviation;
        if (layer.weight is { } weight)
            (scale, shift) = (scale * weight, (shift * weight).Plus(layer.bias!));
        using (no_grad())
            UpdateRunning(layer, meanOfAll.Plus(origin), varianceOfAll, total);
        Tensor scratch = zeros([channels], dtype: x.dtype, device: x.device);
        return scope.MoveToOuter(nn.functional.batch_norm(x, scratch, scratch.clone(), scale.to(x.dtype), shift.to(x.dtype),
            training: true, momentum: 0, eps: layer.eps));
    }

    /// <summary>As the layer itself does, from all images.</summary>
    private static void UpdateRunning(NormBase layer, Tensor mean, Tensor variance, Tensor total)
    {
        double momentum = BatchStatistics.CountOne(layer);
        using Scalar take = momentum.ToScalar(), keep = (1 - momentum).ToScalar();
        Tensor unbiased = variance * (total / (total - FixedScalars.One));
        layer.running_mean!.mul_(keep).add_(mean.to(layer.running_mean.dtype), take);
        layer.running_var!.mul_(keep).add_(unbiased.to(layer.running_var.dtype), take);
    }

    private Tensor Sum(Tensor values)
    {
        double[] numbers = [.. values.cpu().data<double>()];
        _group.AllReduceSum(numbers);
        return tensor(numbers, device: values.device);
    }

    /// <summary>The sum of a vector over all processes. Its gradient is the sum of theirs, each of which is of a mean loss of their own
    /// samples, as this process' is.</summary>
    private sealed class SumOfAll : autograd.SingleTensorFunction<SumOfAll>
    {
        private const string Of = nameof(SynchronizedBatchNorm);

        public override string Name => nameof(SumOfAll);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            ctx.save_data(Of, vars[1]);
            return ((SynchronizedBatchNorm)vars[1]).Sum((Tensor)vars[0]);
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor gradient)
        {
            var of = (SynchronizedBatchNorm)ctx.get_data(Of);
            Tensor result = zeros_like(gradient);
            if (of._failure is not null)
                return [result, null!];
            try
            {
                using Scalar weight = of._weight.ToScalar();
                using Tensor weighted = gradient * weight;
                using Tensor sum = of.Sum(weighted);
                result.add_(sum / weight, FixedScalars.One);
            }
            catch (Exception exception)     // libtorch is waiting, and cannot be thrown through
            {
                of._failure = exception;
            }
            return [result, null!];
        }
    }
}
