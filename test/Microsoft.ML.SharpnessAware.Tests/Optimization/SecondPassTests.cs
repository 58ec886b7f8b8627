using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>The second pass repeats the random numbers of the first and leaves no trace in running statistics.</summary>
[TestClass]
public sealed class SecondPassTests
{
    private static readonly BaseOptimizer Sgd = new BaseOptimizer.Sgd(0.1);

    [TestMethod]
    public void BothPassesSeeTheSameDropoutMask()
    {
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = Linear(4, 3), dropout = Dropout(0.5);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
        List<float[]> masks = [];
        for (int t = 0; t < 2; t++)
        {
            optimizer.Step(() =>
            {
                Tensor mask = dropout.forward(ones(8, 4));
                masks.Add([.. mask.data<float>()]);
                return net.forward(mask);
            }, zeros(8, dtype: ScalarType.Int64));
        }
        CollectionAssert.AreEqual(masks[0], masks[1]);
        CollectionAssert.AreEqual(masks[2], masks[3]);
        CollectionAssert.AreNotEqual(masks[0], masks[2]);
    }

    [TestMethod]
    public void TheGeneratorAdvancesByOnePassOnly()
    {
        using DisposeScope scope = NewDisposeScope();
        byte[] StateAfter(SharpnessAwareMethod method)
        {
            manual_seed(5);
            Module<Tensor, Tensor> net = Sequential(Linear(4, 8), Dropout(0.5), Linear(8, 3));
            using var optimizer = new SharpnessAwareOptimizer(net, method, Sgd);
            optimizer.Step(() => net.forward(ones(8, 4)), zeros(8, dtype: ScalarType.Int64));
            return [.. random.get_rng_state().data<byte>()];
        }
        CollectionAssert.AreEqual(StateAfter(SharpnessAwareMethod.Standard), StateAfter(SharpnessAwareMethod.Sam()));
    }

    [TestMethod]
    public void TheGeneratorIsWhereTheFirstPassLeftItEvenIfTheSecondDrawsMoreOrFails()
    {
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = Linear(4, 3);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
        foreach (bool fails in new[] { false, true })
        {
            byte[] afterFirstPass = [];
            Tensor Logits()
            {
                Tensor x = rand(8, 4);
                if (afterFirstPass.Length == 0)
                    afterFirstPass = [.. random.get_rng_state().data<byte>()];
                else if (fails)
                    throw new TimeoutException();
                else
                    rand(3);
                return net.forward(x);
            }
            if (fails)
                Assert.ThrowsExactly<TimeoutException>(() => optimizer.Step(Logits, zeros(8, dtype: ScalarType.Int64)));
            else
                optimizer.Step(Logits, zeros(8, dtype: ScalarType.Int64));
            CollectionAssert.AreEqual(afterFirstPass, random.get_rng_state().data<byte>().ToArray());
        }
    }

    [TestMethod]
    public void RunningStatisticsAreThoseOfTheFirstPass()
    {
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true), twin = TestNets.ReferenceNet(batchNorm: true);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(0.5), Sgd);
        (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
        optimizer.Step(() => net.forward(images), labels);
        twin.forward(images);
        Dictionary<string, Tensor> expected = twin.state_dict(), actual = net.state_dict();
        foreach (string name in new[] { "bn.running_mean", "bn.running_var", "bn.num_batches_tracked" })
            Assert.IsTrue(TestNets.Same(expected[name], actual[name]), name);
        Assert.AreEqual(1L, actual["bn.num_batches_tracked"].item<long>());
        Assert.AreEqual(ScalarType.Int64, actual["bn.num_batches_tracked"].dtype);
    }

    [TestMethod]
    public void BuffersOfAnyTypeInUserModulesAreThoseOfTheFirstPass()
    {
        using DisposeScope scope = NewDisposeScope();
        using var net = new CountingNet();
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
        for (int t = 0; t < 3; t++)
            optimizer.Step(() => net.forward(ones(2, 4)), zeros(2, dtype: ScalarType.Int64));
        Assert.AreEqual(3, net.Calls.item<int>());
        Assert.AreEqual(3f, net.Sums[1, 2].item<float>());
        Assert.IsTrue(net.Flags[0].item<bool>());
        Assert.AreEqual("1,3,2", string.Join(",", net.Order.data<short>().ToArray()));
    }

    /// <summary>A module with buffers of four types, one of them not contiguous in memory.</summary>
    private sealed class CountingNet : Module<Tensor, Tensor>
    {
        private readonly Linear _linear = Linear(4, 3);

        public readonly Tensor Calls = zeros([], ScalarType.Int32);
        public readonly Tensor Sums = zeros(3, 2).t();
        public readonly Tensor Flags = zeros(2, ScalarType.Bool);
        public readonly Tensor Order = tensor(new short[] { 1, 3, 2 });

        public CountingNet() : base(nameof(CountingNet)) => RegisterComponents();

        public override Tensor forward(Tensor input)
        {
            using var noGradient = no_grad();
            Calls.add_(1);
            Sums.add_(1);
            Flags.logical_not_();
            using (enable_grad())
                return _linear.forward(input);
        }
    }
}
