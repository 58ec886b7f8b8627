using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Data;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace MLSharpness.Evidence;

/// <summary>The cross entropy of a trained network on some images as a function of its weights, near where they are; evaluation
/// mode.</summary>
internal sealed class LossLandscape : IDisposable
{
    private readonly nn.Module<Tensor, Tensor> _network;
    private readonly Parameter[] _weights;
    private readonly Tensor _images;
    private readonly Tensor _labels;
    private readonly Generator _random;
    private Tensor[] _gradient = [];

    public LossLandscape(ImageClassifier classifier, ImageSet images, int seed)
    {
        _network = classifier.Network;
        _network.eval();
        _weights = [.. _network.parameters().Where(parameter => parameter.requires_grad)];
        byte[] bytes = [.. images.Images.SelectMany(image => image)];
        ImageShape shape = images.Shape;
        _images = classifier.Prepare(tensor(bytes, [images.Count, shape.Channels, shape.Height, shape.Width])).detach()
            .DetachFromDisposeScope();
        _labels = tensor(images.Labels.Select(label => (long)label).ToArray(), device: classifier.Device);
        _random = new Generator((ulong)seed);
    }

    /// <summary>The largest eigenvalue of the Hessian in size, by power iteration.</summary>
    public double LargestEigenvalue(int iterations)
    {
        Tensor[] v = Normalised(RandomLike(normal: true));
        double eigenvalue = 0;
        for (int i = 0; i < iterations; i++)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor[] product = TimesHessian(v);
            eigenvalue = Dot(v, product);
            v = Array.ConvertAll(Normalised(product), vector => scope.MoveToOuter(vector));
        }
        return eigenvalue;
    }

    /// <summary>The trace of the Hessian by Hutchinson's estimator with signs, and its standard error.</summary>
    public (double Trace, double StandardError) Trace(int samples)
    {
        double sum = 0, squares = 0;
        for (int i = 0; i < samples; i++)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor[] signs = RandomLike(normal: false);
            double value = Dot(signs, TimesHessian(signs));
            (sum, squares) = (sum + value, squares + value * value);
        }
        double mean = sum / samples;
        return (mean, Math.Sqrt(Math.Max(0, squares / samples - mean * mean) / (samples - 1)));
    }

    /// <summary>
    /// The loss at weights moved along one random direction, whose part in each filter is as long as the filter (Li et al. 2018); biases
    /// and norms stay.
    /// </summary>
    public double[] LossAlongRandomDirection(IReadOnlyList<double> distances)
    {
        using var noGradient = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor[] direction = [.. RandomLike(normal: true).Zip(_weights, FilterNormalised)];
        Tensor[] at = [.. _weights.Select(weight => weight.clone())];
        double[] losses = new double[distances.Count];
        for (int i = 0; i < losses.Length; i++)
        {
            using DisposeScope inner = NewDisposeScope();
            for (int k = 0; k < _weights.Length; k++)
                _weights[k].copy_(at[k] + direction[k] * distances[i]);
            losses[i] = Loss().item<float>();
        }
        for (int k = 0; k < _weights.Length; k++)
            _weights[k].copy_(at[k]);
        return losses;
    }

    public void Dispose()
    {
        foreach (Tensor tensor in (Tensor[])[.. _gradient, _images, _labels])
            tensor.Dispose();
        _random.Dispose();
    }

    /// <summary>H·v by differentiating g·v once more (Pearlmutter 1994).</summary>
    private Tensor[] TimesHessian(IReadOnlyList<Tensor> v)
    {
        using var gradients = enable_grad();
        if (_gradient.Length == 0)
            _gradient = [.. autograd.grad([Loss()], [.. _weights], retain_graph: true, create_graph: true)
                .Select(g => g.DetachFromDisposeScope())];
        Tensor product = _gradient.Zip(v, (g, x) => (g * x).sum()).Aggregate((a, b) => a + b);
        return [.. autograd.grad([product], [.. _weights], retain_graph: true)];
    }

    private Tensor Loss() => nn.functional.cross_entropy(_network.call(_images), _labels);

    private Tensor[] RandomLike(bool normal) =>
    [
        .. _weights.Select(weight => normal
            ? randn(weight.shape, generator: _random)
            : randint(0, 2, weight.shape, dtype: float32, generator: _random) * 2 - 1),
    ];

    private static double Dot(IReadOnlyList<Tensor> a, IReadOnlyList<Tensor> b) =>
        a.Zip(b, (x, y) => (x * y).sum().item<float>()).Sum(x => (double)x);

    private static Tensor[] Normalised(Tensor[] v)
    {
        double norm = Math.Sqrt(Dot(v, v));
        return [.. v.Select(x => x.detach() / norm)];
    }

    private static Tensor FilterNormalised(Tensor direction, Parameter weight)
    {
        if (weight.dim() < 2)
            return zeros_like(weight);
        long[] rest = [.. Enumerable.Range(1, (int)weight.dim() - 1).Select(d => (long)d)];
        return direction / (direction.square().sum(rest, keepdim: true).sqrt() + 1e-10) * weight.square().sum(rest, keepdim: true).sqrt();
    }
}
