using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>A step that throws names the cause and leaves weights and running statistics as they were.</summary>
[TestClass]
public sealed class FailingStepTests
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly Module<Tensor, Tensor> _net = TestNets.ReferenceNet(batchNorm: true);
    private readonly SharpnessAwareOptimizer _optimizer;
    private readonly Tensor _images, _labels;
    private int _passes;

    public FailingStepTests()
    {
        _optimizer = new SharpnessAwareOptimizer(_net, SharpnessAwareMethod.Ssam(0.3), new BaseOptimizer.Sgd(0.1));
        (_images, _labels) = TestNets.ReferenceBatch(0);
        _optimizer.Step(() => _net.forward(_images), _labels);
    }

    [TestCleanup]
    public void Cleanup()
    {
        _optimizer.Dispose();
        _scope.Dispose();
    }

    [TestMethod]
    [DataRow(double.NaN)]
    [DataRow(double.PositiveInfinity)]
    public void ANonFiniteLossInTheFirstPassStopsTheStep(double bad)
    {
        TrainingDivergedException e = Fails<TrainingDivergedException>(() => _net.forward(_images * bad));
        Assert.AreEqual(1, _passes);
        Assert.AreEqual(2L, e.Step);
        Assert.AreEqual(0.1, e.LearningRate);
        Assert.IsFalse(double.IsFinite(e.Loss));
        Assert.IsNull(e.Epoch);
        StringAssert.Contains(e.Message, "diverged at step 2: the loss is NaN");
        Assert.AreEqual(3, e.AtEpoch(3).Epoch);
        StringAssert.Contains(e.AtEpoch(3).Message, "step 2 (epoch 3)");
    }

    [TestMethod]
    public void ANonFiniteLossInTheSecondPassStopsTheStep()
    {
        Fails<TrainingDivergedException>(() => _net.forward(_images) * (_passes == 2 ? double.NaN : 1));
        Assert.AreEqual(2, _passes);
    }

    [TestMethod]
    public void ANonFiniteGradientOfAFiniteLossStopsTheStep()
    {
        // The square root's derivative at 0 is infinite.
        TrainingDivergedException e = Fails<TrainingDivergedException>(() => _net.forward(_images) + (_net.forward(_images) * 0).sqrt());
        Assert.IsTrue(double.IsFinite(e.Loss));
    }

    [TestMethod]
    public void AnExceptionOfTheUserLeavesTheStepUndone()
    {
        foreach (int pass in new[] { 1, 2 })
        {
            Fails<TimeoutException>(() =>
            {
                Tensor logits = _net.forward(_images);
                return _passes == pass ? throw new TimeoutException() : logits;
            });
            Assert.AreEqual(pass, _passes);
        }
    }

    [TestMethod]
    [DataRow("one picture without its batch")]
    [DataRow("too many channels")]
    [DataRow("whole numbers")]
    public void ABatchNormWhosePassThrowsKeepsItsMode(string wrong)
    {
        BatchNorm2d norm = _net.modules().OfType<BatchNorm2d>().Single();
        Tensor input = wrong switch
        {
            "one picture without its batch" => _images[0],
            "too many channels" => _images.expand(8, 5, 6, 6),
            _ => _images.expand(8, 4, 6, 6).to(ScalarType.Int64),
        };
        Func<Tensor> pass = wrong == "one picture without its batch" ? () => _net.call(input) : () => norm.call(input);

        // In a step, and in a pass of the application's own.
        Fails(() => _optimizer.Step(pass, _labels));
        Assert.IsTrue(norm.training);
        Fails(() => pass());
        Assert.IsTrue(norm.training);

        // What comes next sees the mode that the application chose.
        _net.eval();
        double[] before = TestNets.Values(_net);
        double[] alone = Values(_net.call(_images.narrow(0, 0, 1))), among = Values(_net.call(_images).narrow(0, 0, 1));
        Assert.IsFalse(norm.training);
        for (int i = 0; i < alone.Length; i++)
            Assert.AreEqual(alone[i], among[i], 1e-12);
        CollectionAssert.AreEqual(before, TestNets.Values(_net));
        _net.train();
        Fails(() => pass());
        _optimizer.Dispose();
        Assert.IsTrue(norm.training);

        static double[] Values(Tensor tensor) => [.. tensor.detach().flatten().data<double>()];

        static void Fails(Action step)
        {
            try
            {
                step();
            }
            catch (Exception e) when (e is ArgumentException or System.Runtime.InteropServices.ExternalException)
            {
                return;
            }
            Assert.Fail("Nothing was thrown.");
        }
    }

    [TestMethod]
    public void TrainingGoesOnAfterAFailedStep()
    {
        Fails<TrainingDivergedException>(() => _net.forward(_images) * (_passes == 2 ? double.NaN : 1));
        (Tensor images, Tensor labels) = TestNets.ReferenceBatch(1);
        _optimizer.Step(() => _net.forward(images), labels);
        CollectionAssert.AreEqual(
            TestNets.Train(SharpnessAwareMethod.Ssam(0.3), new BaseOptimizer.Sgd(0.1), batchNorm: true, steps: 2), TestNets.Values(_net));
    }

    [TestMethod]
    public void AnUpdateThatThrowsHalfwayLeavesTheStepUndone()
    {
        _optimizer.Dispose();
        var rule = new MomentumThatFails(0.01);
        using var optimizer = new SharpnessAwareOptimizer(
            _net, SharpnessAwareMethod.Ssam(0.3), rule, groups: [new ParameterGroup("fc.*") { LearningRateFactor = 0.5 }]);
        optimizer.Step(() => _net.call(_images), _labels);
        Assert.IsGreaterThan(1, rule.Steps.Count, "the update is in parts");
        double[] before = TestNets.Values(_net);
        (double norm, int parts) = (optimizer.GradientNorm, rule.Steps.Count);

        rule.FailsAt = 2;
        Assert.ThrowsExactly<TimeoutException>(() => optimizer.Step(() => _net.call(_images.flip(0)), _labels));
        CollectionAssert.AreEqual(before, TestNets.Values(_net));
        Assert.AreEqual(norm, optimizer.GradientNorm, "of the latest step");

        rule.FailsAt = 0;
        rule.Steps.Clear();
        optimizer.Step(() => _net.call(_images), _labels);
        CollectionAssert.AreEqual(Enumerable.Repeat(2L, parts).ToArray(), rule.Steps);
        Assert.AreEqual(3L, Assert.ThrowsExactly<TrainingDivergedException>(
            () => optimizer.Step(() => _net.call(_images) * double.NaN, _labels)).Step);
    }

    [TestMethod]
    public void AnOptimizerOfTorchSharpThatThrowsLeavesWeightsAsTheyWere()
    {
        _optimizer.Dispose();
        using var optimizer = new SharpnessAwareOptimizer(_net, SharpnessAwareMethod.Sam(), new Halfway(_net));
        double[] before = TestNets.Values(_net);
        Assert.ThrowsExactly<TimeoutException>(() => optimizer.Step(() => _net.call(_images), _labels));
        CollectionAssert.AreEqual(before, TestNets.Values(_net));
    }

    [TestMethod]
    public void BadLabelsAreRejected()
    {
        void Rejects(Tensor labels, string message) =>
            StringAssert.Contains(Fails<ArgumentException>(() => _net.forward(_images), labels).Message, message);

        Rejects(tensor(new[] { 0L, 1, 2, 0, 1, 2, 0, 3 }), "Label 3 is out of range: the logits have 3 classes, so labels go from 0 to 2.");
        Rejects(tensor(new[] { 0L, 1, 2, 0, 1, 2, 0, -100 }), "Label -100 is out of range");
        Rejects(_labels.to(ScalarType.Int32), "but are Int32 [8]");
        Rejects(_labels.unsqueeze(1), "but are Int64 [8, 1]");
        Rejects(zeros(7, ScalarType.Int64), "but are Int64 [7] where the logits are Float64 [8, 3]");
    }

    [TestMethod]
    public void BadLogitsAreRejected()
    {
        StringAssert.Contains(Fails<ArgumentException>(() => _net.forward(_images).sum(1)).Message,
            "label for each pixel, but are Float64 [8]");
        StringAssert.Contains(Fails<ArgumentException>(() => null!).Message, "but are null");
        StringAssert.Contains(Fails<InvalidOperationException>(() => _net.forward(_images).detach()).Message, "do not depend");
    }

    [TestMethod]
    public void SettingsOutOfRangeAreRejectedByName()
    {
        void Rejects(string name, Action set) =>
            Assert.AreEqual(name, Assert.ThrowsExactly<ArgumentOutOfRangeException>(set).ParamName);
        Rejects("LearningRate", () => _optimizer.LearningRate = -1);
        Rejects("Rho", () => _optimizer.Rho = double.NaN);
        Rejects("MaxGradientNorm", () => _optimizer.MaxGradientNorm = 0);
        Assert.ThrowsExactly<ArgumentNullException>(() => _optimizer.Step(null!, _labels));
        Assert.ThrowsExactly<ArgumentNullException>(() => _optimizer.Step(() => _net.forward(_images), null!));
    }

    [TestMethod]
    public void AStepUnderNoGradTrainsAsUsual()
    {
        using (no_grad())
            Assert.IsTrue(double.IsFinite(_optimizer.Step(() => _net.forward(_images), _labels)));
    }

    /// <summary>Adds the gradient up, changes the weights, and then throws in one of its parts.</summary>
    private sealed record MomentumThatFails(double Rate) : BaseOptimizer
    {
        public List<long> Steps { get; } = [];

        public int FailsAt { get; set; }

        public override double LearningRate { get; init; } = Rate;

        protected internal override int StateCount => 1;

        protected internal override void Update(ParameterUpdate update)
        {
            using Scalar rate = (-update.LearningRate).ToScalar(), one = 1.0.ToScalar();
            update.Weights.add_(update.State[0].add_(update.Gradient, one), rate);
            Steps.Add(update.Step);
            if (--FailsAt == 0)
                throw new TimeoutException();
        }
    }

    /// <summary>As one of TorchSharp's that throws after its first parameter.</summary>
    private sealed class Halfway(Module net) : optim.Optimizer(0)
    {
        public override IEnumerable<optim.ILearningRateController> ParamGroups => [];

        public override Tensor step(Func<Tensor>? closure = null)
        {
            Parameter first = net.parameters().First();
            first.sub_(first.grad!);
            throw new TimeoutException();
        }
    }

    private T Fails<T>(Func<Tensor> logits, Tensor? labels = null) where T : Exception
    {
        double[] before = TestNets.Values(_net);
        _passes = 0;
        T e = Assert.ThrowsExactly<T>(() => _optimizer.Step(() =>
        {
            _passes++;
            return logits();
        }, labels ?? _labels));
        CollectionAssert.AreEqual(before, TestNets.Values(_net));
        return e;
    }
}
