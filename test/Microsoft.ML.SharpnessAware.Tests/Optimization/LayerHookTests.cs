using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.SharpnessAware.Tests.Optimization;

/// <summary>Hooks of the application's own on batch norm layers, which the optimiser has hooks on, too.</summary>
[TestClass]
public sealed class LayerHookTests : WithDisposeScope
{
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void TheySeeWhatTheLayerComputesAndChangeNothingByLooking(bool areFirst)
    {
        int seen = 0;
        double[] values = Train(Identity(), Identity(), areFirst, norm =>
        {
            norm.register_forward_pre_hook((_, input) =>
            {
                AssertWhole(input);
                Assert.IsTrue(norm.training);
                return input;
            });
            norm.register_forward_hook((_, input, output) =>
            {
                AssertWhole(input);
                AssertWhole(output);
                Assert.IsTrue(output.var().isfinite().item<bool>());
                seen++;
                return output;
            });
        });
        CollectionAssert.AreEqual(Train(Identity(), Identity(), areFirst, _ => { }), values);
        Assert.AreEqual(6, seen);

        static void AssertWhole(Tensor tensor) => CollectionAssert.AreEqual(new long[] { 8, 4, 6, 6 }, tensor.shape);
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void WhatTheyChangeIsTrainedWith(bool areFirst)
    {
        double[] expected = Train(new Times(2), new Times(3), areFirst, _ => { });
        CollectionAssert.AreEqual(expected, Train(new Times(2), Identity(), areFirst,
            norm => norm.register_forward_hook((_, _, output) => output * 3)));
        CollectionAssert.AreEqual(expected, Train(Identity(), new Times(3), areFirst,
            norm => norm.register_forward_pre_hook((_, input) => input * 2)));
        CollectionAssert.AreEqual(expected, Train(Identity(), Identity(), areFirst, norm =>
        {
            norm.register_forward_hook((_, _, output) => output * 3);
            norm.register_forward_pre_hook((_, input) => input * 2);
        }));
    }

    [TestMethod]
    public void OneThatIsRemovedLeavesNothing()
    {
        double[] expected = Train(Identity(), Identity(), areFirst: true, _ => { });
        CollectionAssert.AreEqual(expected, Train(Identity(), Identity(), areFirst: false,
            norm => norm.register_forward_hook((_, _, output) => output * 3).remove()));
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void BatchNormThatIsSynchronisedRefusesThem(bool isPreHook) => ThreadProcessGroup.Run(2, group =>
    {
        using TorchSharp.DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true);
        BatchNorm2d norm = net.modules().OfType<BatchNorm2d>().Single();
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), new BaseOptimizer.Sgd(0.1))
        {
            ProcessGroup = group,
            SharedAscent = true,
            SynchronizeBatchNorm = true,
        };
        (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
        optimizer.Step(net.call, images, labels);
        double[] before = TestNets.Values(net);
        Action remove = isPreHook
            ? norm.register_forward_pre_hook((_, input) => input * 2).remove
            : norm.register_forward_hook((_, _, output) => output * 2).remove;
        var e = Assert.ThrowsExactly<InvalidOperationException>(() => optimizer.Step(net.call, images, labels));
        StringAssert.Contains(e.Message, "'bn'");
        StringAssert.Contains(e.Message, "hook");
        CollectionAssert.AreEqual(before, TestNets.Values(net));
        remove();
        optimizer.Step(net.call, images, labels);
        return 0;
    });

    /// <summary>Three steps of SAM with a layer before and one after the batch norm.</summary>
    private static double[] Train(
        Module<Tensor, Tensor> before, Module<Tensor, Tensor> after, bool areFirst, Action<BatchNorm2d> addHooks)
    {
        using TorchSharp.DisposeScope scope = NewDisposeScope();
        (string Name, Module<Tensor, Tensor> Layer)[] layers = [.. TestNets.ReferenceNet(batchNorm: true).named_children()
            .Select(child => (child.name, (Module<Tensor, Tensor>)child.module))];
        var norm = (BatchNorm2d)layers[1].Layer;
        Module<Tensor, Tensor> net = Sequential([layers[0], ("before", before), layers[1], ("after", after), .. layers[2..]]);
        if (areFirst)
            addHooks(norm);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(0.1), new BaseOptimizer.Sgd(0.1));
        if (!areFirst)
            addHooks(norm);
        for (int t = 0; t < 3; t++)
        {
            (Tensor images, Tensor labels) = TestNets.ReferenceBatch(t);
            optimizer.Step(() => net.call(images), labels);
        }
        Assert.AreEqual(3, norm.num_batches_tracked!.item<long>());
        return TestNets.Values(net);
    }

    private sealed class Times(double factor) : Module<Tensor, Tensor>(nameof(Times))
    {
        public override Tensor forward(Tensor input) => input * factor;
    }
}
