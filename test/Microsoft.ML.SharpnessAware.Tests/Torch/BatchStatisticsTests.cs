using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class BatchStatisticsTests
{
    private static readonly Dictionary<string, (Func<BatchNorm> Create, long[] Shape)> Layers = new()
    {
        ["vectors"] = (() => nn.BatchNorm1d(3), [5, 3]),
        ["sequences"] = (() => nn.BatchNorm1d(3, momentum: 0.3), [5, 3, 4]),
        ["images"] = (() => nn.BatchNorm2d(3, eps: 1e-3), [5, 3, 4, 2]),
        ["without weights"] = (() => nn.BatchNorm2d(3, affine: false), [5, 3, 4, 2]),
        ["without statistics"] = (() => nn.BatchNorm2d(3, track_running_stats: false), [5, 3, 4, 2]),
        ["a cumulative mean"] = (() => Cumulative(nn.BatchNorm2d(3)), [5, 3, 4, 2]),
        ["volumes"] = (() => nn.BatchNorm3d(3), [5, 3, 4, 2, 2]),
    };

    public static IEnumerable<object[]> LayerNames => Layers.Keys.Select(name => new object[] { name });

    [TestMethod]
    [DynamicData(nameof(LayerNames))]
    public void ALayerOfOnesOwnTrainsToTheSameNumbers(string name)
    {
        (Func<BatchNorm> create, long[] shape) = Layers[name];
        using BatchNorm plain = create(), held = create();
        using (var replaced = new HeldBatchNorm(held))
            AssertAlike(plain, held, shape);
        AssertAlike(plain, held, shape);    // and as itself afterwards
    }

    [TestMethod]
    public void ALayerOfOursIsTheOneOfTorch()
    {
        using BatchNorm plain = nn.BatchNorm2d(3), ours = new ImageBatchNorm(3);
        AssertAlike(plain, ours, [5, 3, 4, 2]);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => ours.call(zeros(2, 3))).Message, "there are 2");
    }

    [TestMethod]
    public void APassThatThrowsLeavesTheLayerInItsMode()
    {
        using BatchNorm layer = nn.BatchNorm2d(3);
        using var held = new HeldBatchNorm(layer);
        using Tensor wrong = rand(2, 3), right = rand(2, 3, 4, 4);
        Assert.ThrowsExactly<ArgumentException>(() => layer.call(wrong));
        using Tensor output = layer.call(right);
        Assert.IsTrue(layer.training);
        CollectionAssert.AreEqual(right.shape, output.shape);
        Assert.AreEqual(1, layer.num_batches_tracked!.item<long>());
    }

    /// <summary>TorchSharp's own layer fails here within a second: the collector frees the 1 that it counts by.</summary>
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void TheCollectorFreesNoNumberThatABatchIsCountedBy(bool isOurs)
    {
        const int passes = 20_000;
        using BatchNorm layer = isOurs ? new ImageBatchNorm(1) : nn.BatchNorm2d(1);
        using var held = new HeldBatchNorm(layer);
        using Tensor input = rand(2, 1, 1, 1);
        using var done = new CancellationTokenSource();
        Task collecting = Task.Run(() =>
        {
            while (!done.IsCancellationRequested)
            {
                GC.Collect(0);
                GC.WaitForPendingFinalizers();
            }
        });
        for (int i = 0; i < passes; i++)
            layer.call(input).Dispose();
        done.Cancel();
        collecting.Wait();
        Assert.AreEqual(passes, layer.num_batches_tracked!.item<long>());
    }

    private static BatchNorm2d Cumulative(BatchNorm2d layer)
    {
        layer.momentum = null;
        return layer;
    }

    /// <summary>Outputs, gradients and running statistics, to the last bit, over some passes of both modes.</summary>
    private static void AssertAlike(BatchNorm one, BatchNorm other, long[] shape)
    {
        foreach (bool isTraining in new[] { true, true, false, true, false })
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor input = rand(shape);
            one.train(isTraining);
            other.train(isTraining);
            double[][] expected = Pass(one, input), actual = Pass(other, input);
            for (int i = 0; i < expected.Length; i++)
                CollectionAssert.AreEqual(expected[i], actual[i]);
            Assert.AreEqual(isTraining, other.training);
        }
    }

    private static double[][] Pass(BatchNorm layer, Tensor images)
    {
        Tensor input = images.clone().requires_grad_();
        layer.zero_grad();
        Tensor output = layer.call(input);
        (output * output * images).sum().backward();
        Tensor[] all =
        [
            output, input.grad!, .. layer.parameters().Select(parameter => parameter.grad!), .. layer.buffers(),
        ];
        return [.. all.Select(tensor => tensor.detach().to(float64).flatten().data<double>().ToArray())];
    }
}
