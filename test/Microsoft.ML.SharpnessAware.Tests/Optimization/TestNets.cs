using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Small nets and mini-batches whose numbers are known, float64.</summary>
internal static class TestNets
{
    /// <summary>Convolution, batch norm where asked, ReLU, pooling, a dense layer; weights s·sin((0.37 + 0.11k)i + 0.5 + k).</summary>
    public static Module<Tensor, Tensor> ReferenceNet(bool batchNorm)
    {
        List<(string, Module<Tensor, Tensor>)> layers = [("conv", Conv2d(1, 4, 3, padding: 1))];
        if (batchNorm)
            layers.Add(("bn", BatchNorm2d(4)));
        layers.AddRange([("relu", ReLU()), ("pool", AvgPool2d(2)), ("flatten", Flatten()), ("fc", Linear(36, 3))]);
        Module<Tensor, Tensor> net = Sequential(layers).to(ScalarType.Float64);

        using DisposeScope scope = NewDisposeScope();
        using var noGradient = no_grad();
        int k = 0;
        foreach ((string name, Tensor parameter) in net.named_parameters())
        {
            if (!name.StartsWith("bn"))
            {
                double scale = name.StartsWith("conv") ? 0.4 : 0.3;
                Tensor i = arange(parameter.numel(), dtype: ScalarType.Float64);
                parameter.copy_((((0.37 + 0.11 * k) * i + 0.5 + k).sin() * scale).view(parameter.shape));
            }
            k++;
        }
        return net;
    }

    /// <summary>The t-th mini-batch of the reference: 8 images 1×6×6 and labels of 3 classes.</summary>
    public static (Tensor Images, Tensor Labels) ReferenceBatch(int t)
    {
        double[] pixels = [.. Enumerable.Range(0, 8 * 36).Select(i => Math.Sin((0.211 + 0.013 * t) * i + 0.3 * t))];
        long[] labels = [.. Enumerable.Range(0, 8).Select(i => (3L * i + i * i / 2 + t) % 3)];
        return (tensor(pixels).view(8, 1, 6, 6), tensor(labels));
    }

    /// <summary>The reference net after some steps of training on the reference's mini-batches.</summary>
    public static double[] Train(
        SharpnessAwareMethod method, BaseOptimizer baseOptimizer, bool batchNorm = false, int steps = 5,
        Action<SharpnessAwareOptimizer>? configure = null)
    {
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = ReferenceNet(batchNorm);
        using var optimizer = new SharpnessAwareOptimizer(net, method, baseOptimizer);
        configure?.Invoke(optimizer);
        for (int t = 0; t < steps; t++)
        {
            (Tensor images, Tensor labels) = ReferenceBatch(t);
            optimizer.Step(() => net.forward(images), labels);
        }
        return Values(net);
    }

    public static bool Same(Tensor a, Tensor b) => a.eq(b).all().item<bool>();

    /// <summary>All entries of a module's state dictionary, one after the other.</summary>
    public static double[] Values(Module module)
    {
        using DisposeScope scope = NewDisposeScope();
        return [.. module.state_dict().Values.SelectMany(v => v.to(ScalarType.Float64).reshape(-1).data<double>().ToArray())];
    }

    /// <summary>How far numbers are from others, as a share of those.</summary>
    public static double Distance(double[] expected, double[] actual) =>
        Math.Sqrt(expected.Zip(actual, (a, b) => (a - b) * (a - b)).Sum() / expected.Sum(a => a * a));

    /// <summary>What something writes of its state.</summary>
    public static byte[] Saved(Action<BinaryWriter> save)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        save(writer);
        writer.Flush();
        return stream.ToArray();
    }
}
