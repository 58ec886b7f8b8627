using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using static Microsoft.ML.SharpnessAware.Tests.AnyLoop;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>A mini-batch in parts.</summary>
[TestClass]
public sealed class MicroBatchTests : WithDisposeScope
{
    [TestMethod]
    public void MicroBatchesAreOneLargeBatch()
    {
        foreach (SharpnessAwareMethod method in Methods)
        {
            double[] whole = TestNets.Train(method, Sgd), one = Train(method, (o, net, x, y) => o.Step([new(() => net.call(x), y)]));
            CollectionAssert.AreEqual(whole, one, $"{method}");
            double[] parts = Train(method, (o, net, x, y) => o.Step(Parts(net, x, y, 3, 4, 1)));
            Assert.IsTrue(whole.Zip(parts).All(p => Math.Abs(p.First - p.Second) < 1e-12), $"{method}");
        }
        double[] own = Train(SharpnessAwareMethod.Sam(0.3), (o, net, x, y) => o.Step(
            new[] { (0, 3), (3, 5) }.Select(part => new MicroBatch(
                () => functional.cross_entropy(net.call(x.narrow(0, part.Item1, part.Item2)), y.narrow(0, part.Item1, part.Item2)),
                    part.Item2))));
        Assert.IsTrue(TestNets.Train(SharpnessAwareMethod.Sam(0.3), Sgd).Zip(own).All(p => Math.Abs(p.First - p.Second) < 1e-12));
    }

    [TestMethod]
    public void AOneShotSourceOfMicroBatchesIsEnough()
    {
        double[] parts = Train(SharpnessAwareMethod.Sam(0.3), (o, net, x, y) =>
        {
            var queue = new Queue<MicroBatch>(Parts(net, x, y, 3, 5));
            return o.Step(Drain());

            IEnumerable<MicroBatch> Drain()
            {
                while (queue.TryDequeue(out MicroBatch? part))
                    yield return part;
            }
        });
        Assert.IsTrue(TestNets.Train(SharpnessAwareMethod.Sam(0.3), Sgd).Zip(parts).All(p => Math.Abs(p.First - p.Second) < 1e-12));
    }

    /// <summary>m-sharpness, written down a second time: the mean of the gradients at the climbs of the parts.</summary>
    [TestMethod]
    public void EachMicroBatchMayClimbByItself()
    {
        SharpnessAwareMethod method = SharpnessAwareMethod.Sam(0.3);
        double[] actual = Train(method, (o, net, x, y) => o.Step(Parts(net, x, y, 2, 6), Ascent.PerMicroBatch), steps: 1);
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
        (Tensor x, Tensor y) = TestNets.ReferenceBatch(0);
        Tensor[] parameters = [.. net.parameters()], w = [.. parameters.Select(p => p.detach().clone())];
        Tensor[] mean = [.. parameters.Select(p => zeros_like(p))];
        foreach ((int start, int count) in new[] { (0, 2), (2, 6) })
        {
            Tensor[] g = Gradients();
            double norm = Math.Sqrt(g.Sum(one => one.square().sum().item<double>()));
            using var noGradient = no_grad();
            for (int k = 0; k < g.Length; k++)
                parameters[k].add_(g[k] * (0.3 / (norm + 1e-12)));
            using (enable_grad())
                g = Gradients();
            for (int k = 0; k < g.Length; k++)
            {
                mean[k].add_(g[k] * (count / 8.0));
                parameters[k].copy_(w[k]);
            }

            Tensor[] Gradients() => [.. autograd.grad(
                [functional.cross_entropy(net.call(x.narrow(0, start, count)), y.narrow(0, start, count))], parameters)];
        }
        double[] expected = [.. parameters.Zip(
            mean).SelectMany(p => (p.First.detach() - (0.1 * (p.Second + (p.First.detach() * (p.First.dim() > 1 ? 5e-4 : 0)))))
            .reshape(-1).data<double>().ToArray())];
        Assert.IsTrue(expected.Zip(actual).All(p => Math.Abs(p.First - p.Second) < 1e-12));

        // Running statistics and the number of passes are those of the unperturbed parts.
        Module<Tensor, Tensor> withNorm = TestNets.ReferenceNet(batchNorm: true), twin = TestNets.ReferenceNet(batchNorm: true);
        using var optimizer = new SharpnessAwareOptimizer(withNorm, method, Sgd);
        optimizer.Step(Parts(withNorm, x, y, 2, 6), Ascent.PerMicroBatch);
        twin.call(x.narrow(0, 0, 2));
        twin.call(x.narrow(0, 2, 6));
        foreach (string name in new[] { "bn.running_mean", "bn.running_var", "bn.num_batches_tracked" })
            Assert.IsTrue(TestNets.Same(withNorm.state_dict()[name], twin.state_dict()[name]), name);
    }

    [TestMethod]
    public void AParameterThatOneOfSeveralClimbsUsesIsTrained()
    {
        Module<Tensor, Tensor>[] each = [Linear(3, 2), Linear(3, 2), Linear(3, 2)];
        Module<Tensor, Tensor> layers = Sequential(each);
        double[][] before = [.. each.Select(TestNets.Values)];
        using var optimizer = new SharpnessAwareOptimizer(layers, SharpnessAwareMethod.Sam(), Sgd);
        optimizer.Step(each[..2].Select(layer => new MicroBatch(() => layer.call(ones(1, 3)), zeros(1, int64))), Ascent.PerMicroBatch);
        CollectionAssert.AreNotEqual(before[0], TestNets.Values(each[0]));
        CollectionAssert.AreNotEqual(before[1], TestNets.Values(each[1]));
        CollectionAssert.AreEqual(before[2], TestNets.Values(each[2]), "it is in none of them");
    }

    [TestMethod]
    public void MicroBatchesThatCannotBeTrainedOnAreRefused()
    {
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
        (Tensor x, Tensor y) = TestNets.ReferenceBatch(0);
        double[] before = TestNets.Values(net);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => optimizer.Step([])).Message, "there are none");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => optimizer.Step([null!])).Message, "one of them is null");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(
            () => optimizer.Step([new(() => net.call(x), y), new(() => net.call(x), y.to(META))])).Message, "The labels are on meta");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new MicroBatch(() => net.call(x).sum(), weight: 0));
        Assert.ThrowsExactly<ArgumentNullException>(() => new MicroBatch(null!, y));
        CollectionAssert.AreEqual(before, TestNets.Values(net));
    }

    private static IEnumerable<MicroBatch> Parts(Module<Tensor, Tensor> net, Tensor x, Tensor y, params int[] sizes)
    {
        int start = 0;
        foreach (int size in sizes)
        {
            int from = start;
            yield return new MicroBatch(() => net.call(x.narrow(0, from, size)), y.narrow(0, from, size));
            start += size;
        }
    }
}
