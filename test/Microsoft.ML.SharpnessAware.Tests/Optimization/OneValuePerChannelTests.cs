using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.SharpnessAware.Tests.Optimization;

/// <summary>Batch norm that has one value for each channel to normalise by, of which there is no variance.</summary>
[TestClass]
public sealed class OneValuePerChannelTests : WithDisposeScope
{
    private static readonly BaseOptimizer Sgd = new BaseOptimizer.Sgd(0.1);

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void AStepSaysSoAndWhatToDoAndChangesNothing(bool isByCall)
    {
        var net = new Net(isByCall);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
        (Tensor images, Tensor labels) = Batch();
        optimizer.Step(net.call, images, labels);
        double[] before = TestNets.Values(net);

        Refused(() => optimizer.Step(() => net.call(images.narrow(0, 0, 1)), labels.narrow(0, 0, 1)));
        Refused(() => optimizer.Step(() => functional.cross_entropy(net.call(images.narrow(0, 0, 1)), labels.narrow(0, 0, 1))));
        Refused(() => optimizer.Step([Part(0, 5), Part(5, 2), Part(7, 1)]));
        Refused(() => optimizer.Step([Part(0, 7), Part(7, 1)], Ascent.PerMicroBatch));
        optimizer.Climbs = false;
        Refused(() => optimizer.Step(() => net.call(images.narrow(0, 0, 1)), labels.narrow(0, 0, 1)));

        optimizer.Step(net.call, images, labels);
        net.Norm.eval();
        optimizer.Step(() => net.call(images.narrow(0, 0, 1)), labels.narrow(0, 0, 1));

        MicroBatch Part(int start, int count) => new(() => net.call(images.narrow(0, start, count)), labels.narrow(0, start, count));

        void Refused(Action step)
        {
            string message = Assert.ThrowsExactly<InvalidOperationException>(step).Message;
            StringAssert.Contains(message, "'_norm' (BatchNorm1d) had one value for each channel");
            StringAssert.Contains(message, "larger mini-batches");
            CollectionAssert.AreEqual(before, TestNets.Values(net));
        }
    }

    /// <summary>It is read with the numbers of a pass, for which a GPU is waited for anyway, and so it is known after the first.</summary>
    [TestMethod]
    public void TheFirstPassSaysSo()
    {
        var net = new Net(isByCall: true);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
        (Tensor images, Tensor labels) = Batch();
        int passes = 0;
        Assert.ThrowsExactly<InvalidOperationException>(() => optimizer.Step(
            () =>
            {
                passes++;
                return net.call(images.narrow(0, 0, 1));
            }, labels.narrow(0, 0, 1)));
        Assert.AreEqual(1, passes);
    }

    /// <summary>With statistics of the whole mini-batch that are no number in one layer, and in another in the climb only.</summary>
    [TestMethod]
    public void OfAStepWithAShareItIsTheLayerThatHadOneValueInTheWholeMiniBatch()
    {
        var net = new Net(isByCall: true);
        Module<Tensor, Tensor> alone = InstanceNorm1d(4, track_running_stats: true).to(ScalarType.Float64),
            both = Sequential(("net", (Module<Tensor, Tensor>)net), ("alone", alone));
        using var optimizer = new SharpnessAwareOptimizer(both, SharpnessAwareMethod.Sam() with { AscentShare = 0.01 }, Sgd);
        (Tensor images, Tensor labels) = Batch();
        double[] before = TestNets.Values(both);
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => optimizer.Step(
            input => net.call(input) + (alone.call(net.First.call(input).unsqueeze(2)).sum([1, 2], keepdim: false).unsqueeze(1) * 0),
            images, labels)).Message;
        StringAssert.Contains(message, "'alone' (InstanceNorm1d)");
        CollectionAssert.AreEqual(before, TestNets.Values(both));
    }

    [TestMethod]
    public void OneImageOfManyPixelsIsEnough()
    {
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
        (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
        optimizer.Step(() => net.call(images.narrow(0, 0, 1)), labels.narrow(0, 0, 1));
        Assert.IsTrue(Array.TrueForAll(TestNets.Values(net), double.IsFinite));
    }

    /// <summary>What its pass does to running statistics does not stay.</summary>
    [TestMethod]
    public void AClimbByOneSampleOfTheMiniBatchIsNoError()
    {
        var net = new Net(isByCall: true);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam() with { AscentShare = 0.01 }, Sgd);
        (Tensor images, Tensor labels) = Batch();
        optimizer.Step(net.call, images, labels);
        Assert.IsTrue(Array.TrueForAll(TestNets.Values(net), double.IsFinite));
    }

    [TestMethod]
    public void StatisticsThatWereNoNumbersBeforeAreNotTheMiniBatchsFault()
    {
        var net = new Net(isByCall: true);
        using (no_grad())
            net.Norm.running_var!.fill_(double.NaN);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
        (Tensor images, Tensor labels) = Batch();
        Assert.IsTrue(double.IsFinite(optimizer.Step(net.call, images, labels)));
    }

    [TestMethod]
    public void InAGroupItIsThePartOfAProcess()
    {
        string[] errors = ThreadProcessGroup.Run(2, group =>
        {
            using DisposeScope scope = NewDisposeScope();
            var net = new Net(isByCall: true);
            using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd) { ProcessGroup = group };
            (Tensor images, Tensor labels) = Batch();
            (int start, int count) = group.Rank == 0 ? (0, 7) : (7, 1);
            Exception error = Assert.Throws<Exception>(
                () => optimizer.Step(net.call, images.narrow(0, start, count), labels.narrow(0, start, count)));
            if (group.Rank == 1)
                group.Fail(error);
            Assert.IsTrue(Array.TrueForAll(TestNets.Values(net), double.IsFinite));
            return error.Message;
        });
        StringAssert.Contains(errors[1], "'_norm' (BatchNorm1d)");
        StringAssert.Contains(errors[0], "Process 1 of 2");
        StringAssert.Contains(errors[0], "'_norm' (BatchNorm1d)");
    }

    [TestMethod]
    public void StatisticsMadeAnewSayItTooAndStayAsTheyWere()
    {
        var net = new Net(isByCall: false);
        (Tensor images, _) = Batch();
        net.call(images).Dispose();
        double[] before = TestNets.Values(net);
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => WeightAverage.UpdateStatistics(
            net, [() => net.call(images.narrow(0, 0, 7)), () => net.call(images.narrow(0, 7, 1))])).Message;
        StringAssert.Contains(message, "'_norm' (BatchNorm1d) had one value for each channel");
        CollectionAssert.AreEqual(before, TestNets.Values(net));
        Assert.AreEqual(0.1, net.Norm.momentum);
    }

    /// <summary>Who has a network of such statistics makes them anew; torch takes 0 times the old ones into the first new ones.</summary>
    [TestMethod]
    [DataRow(double.NaN)]
    [DataRow(double.PositiveInfinity)]
    public void StatisticsThatAreNoNumbersAreMadeAnew(double value)
    {
        var net = new Net(isByCall: true);
        (Tensor images, _) = Batch();
        WeightAverage.UpdateStatistics(net, [() => net.call(images)]);
        double[] expected = TestNets.Values(net);
        using (no_grad())
            net.Norm.running_var!.fill_(value);

        Assert.ThrowsExactly<InvalidOperationException>(
            () => WeightAverage.UpdateStatistics(net, [() => net.call(images.narrow(0, 7, 1))]));
        Assert.AreEqual(value, net.Norm.running_var!.max().item<double>());
        WeightAverage.UpdateStatistics(net, [() => net.call(images)]);

        double[] actual = TestNets.Values(net);
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], 1, "but for the counter");
        Assert.IsTrue(Array.TrueForAll(actual, double.IsFinite));
    }

    private static (Tensor Images, Tensor Labels) Batch()
    {
        (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
        return (images.flatten(1), labels);
    }

    /// <summary>A layer before batch norm and one after it, and the batch norm run with its hooks or without.</summary>
    private sealed class Net : Module<Tensor, Tensor>
    {
        private readonly Linear _first = Linear(36, 4), _last = Linear(4, 3);
        private readonly BatchNorm1d _norm = BatchNorm1d(4);
        private readonly bool _isByCall;

        public Net(bool isByCall)
            : base(nameof(Net))
        {
            _isByCall = isByCall;
            RegisterComponents();
            this.to(ScalarType.Float64);
        }

        public Linear First => _first;

        public BatchNorm1d Norm => _norm;

        public override Tensor forward(Tensor input)
        {
            Tensor before = _first.call(input);
            return _last.call(_isByCall ? _norm.call(before) : _norm.forward(before));
        }
    }
}
