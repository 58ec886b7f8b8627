using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class FlatParametersTests
{
    private static readonly BaseOptimizer Sgd = new BaseOptimizer.Sgd(0.1);

    [TestMethod]
    public void ParametersAreViewsOfOneVectorWithMatricesFirst()
    {
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = Sequential(Linear(2, 3), Linear(3, 1));
        float[] expected = [.. new[] { "0.weight", "1.weight", "0.bias", "1.bias" }
            .SelectMany(name => net.get_parameter(name)!.reshape(-1).data<float>().ToArray())];
        using var flat = new FlatParameters(net);

        CollectionAssert.AreEqual(expected, flat.Weights.data<float>().ToArray());
        CollectionAssert.AreEqual(
            new[] { "0.weight [3, 2]", "1.weight [1, 3]", "0.bias [3]", "1.bias [1]" }, flat.Names.ToArray());
        using (no_grad())
            flat.Weights.fill_(7);
        Assert.IsTrue(net.parameters().All(p => p.eq(7).all().item<bool>()));
        flat.PrepareGradient();
        net.forward(ones(1, 2)).sum().backward();
        flat.CollectGradient();
        Assert.AreEqual(1f, flat.Gradient[12].item<float>());
        Assert.AreEqual(7f, flat.Gradient[0].item<float>());
        CollectionAssert.AreEqual(new[] { (0L, 9L, true), (9L, 4L, false) }, flat.Runs<bool>(member => member.IsMatrix).ToArray());
    }

    [TestMethod]
    public void MemoryLayoutIsKept()
    {
        using DisposeScope scope = NewDisposeScope();
        Conv2d net = Conv2d(3, 4, 3);
        Tensor before = net.weight.clone();
        using (no_grad())
            net.weight.set_(net.weight.detach().permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2));
        using var flat = new FlatParameters(net);
        CollectionAssert.AreEqual(new long[] { 27, 1, 9, 3 }, net.weight.stride());
        Assert.IsTrue(TestNets.Same(before, net.weight));
        flat.PrepareGradient();
        net.forward(ones(1, 3, 5, 5)).sum().backward();
        flat.CollectGradient();
        Assert.IsTrue(flat.Gradient.eq(9).all().item<bool>());
    }

    [TestMethod]
    public void ATiedParameterIsThereOnce()
    {
        using DisposeScope scope = NewDisposeScope();
        using var net = new TiedNet();
        using var flat = new FlatParameters(net);
        Assert.AreEqual(9, flat.Count);
        flat.PrepareGradient();
        net.forward(ones(1, 3)).sum().backward();
        flat.CollectGradient();
        Tensor w = net.First.weight.detach(), x = ones(1, 3);
        Tensor expected = ones(3, 1).matmul(x.matmul(w.t())) + w.t().matmul(ones(3, 1)).matmul(x);
        Assert.IsTrue(expected.reshape(-1).allclose(flat.Gradient));
        Assert.AreEqual(net.First.weight.Handle, net.Second.weight.Handle);
    }

    [TestMethod]
    public void FrozenParametersAreLeftAlone()
    {
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true);
        foreach ((string name, Parameter parameter) in net.named_parameters())
            parameter.requires_grad = !name.StartsWith("conv");
        Tensor frozen = net.get_parameter("conv.weight")!.clone(), trained = net.get_parameter("fc.weight")!.detach().clone();
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
        (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
        optimizer.Step(() => net.forward(images), labels);
        Assert.IsTrue(TestNets.Same(frozen, net.get_parameter("conv.weight")!));
        Assert.IsFalse(TestNets.Same(trained, net.get_parameter("fc.weight")!));
    }

    [TestMethod]
    public void AModuleWithoutTrainableParametersIsRejected()
    {
        using Module<Tensor, Tensor> empty = ReLU(), frozen = Linear(2, 2);
        foreach (Parameter parameter in frozen.parameters())
            parameter.requires_grad = false;
        foreach (Module<Tensor, Tensor> net in new[] { empty, frozen })
        {
            var e = Assert.ThrowsExactly<ArgumentException>(() => new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd));
            StringAssert.Contains(e.Message, "no trainable parameters");
            Assert.AreEqual("module", e.ParamName);
        }
    }

    [TestMethod]
    public void MixedOrUnsupportedTypesAreRejectedByParameterName()
    {
        using Module<Tensor, Tensor> mixed = Sequential(("a", Linear(2, 2)), ("b", Linear(2, 2, dtype: ScalarType.Float64)));
        var e = Assert.ThrowsExactly<ArgumentException>(() => new SharpnessAwareOptimizer(mixed, SharpnessAwareMethod.Sam(), Sgd));
        StringAssert.Contains(e.Message, "'b.weight' is Float64 but 'a.weight' is Float32");

        using Module<Tensor, Tensor> half = Linear(2, 2, dtype: ScalarType.BFloat16);
        e = Assert.ThrowsExactly<ArgumentException>(() => new SharpnessAwareOptimizer(half, SharpnessAwareMethod.Sam(), Sgd));
        StringAssert.Contains(e.Message, "'weight' is BFloat16");
    }

    [TestMethod]
    public void ParametersOnSeveralDevicesAreRejectedByParameterName()
    {
        using Module<Tensor, Tensor> mixed = Sequential(("a", Linear(2, 2)), ("b", Linear(2, 2, device: META)));
        var e = Assert.ThrowsExactly<ArgumentException>(() => new SharpnessAwareOptimizer(mixed, SharpnessAwareMethod.Sam(), Sgd));
        StringAssert.Contains(e.Message, "'b.weight' is on meta but 'a.weight' is on cpu");
    }

    [TestMethod]
    public void OtherDevicesThanCpuAndCudaAreRejectedByParameterName()
    {
        using Module<Tensor, Tensor> net = Sequential(("fc", Linear(2, 2, device: META)));
        var e = Assert.ThrowsExactly<ArgumentException>(() => new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd));
        StringAssert.Contains(e.Message, "'fc.weight' is on meta");
        StringAssert.Contains(e.Message, "CUDA");
        Assert.AreEqual("module", e.ParamName);
    }

    [TestMethod]
    public void StateDictSaveAndLoadKeepTheViews()
    {
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true), other = TestNets.ReferenceNet(batchNorm: true);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
        (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
        optimizer.Step(() => net.forward(images), labels);
        double[] trained = TestNets.Values(net);

        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        net.save(writer);
        stream.Position = 0;
        using var reader = new BinaryReader(stream);
        other.load(reader);
        CollectionAssert.AreEqual(trained, TestNets.Values(other));
        Dictionary<string, Tensor> saved = net.state_dict().ToDictionary(p => p.Key, p => p.Value.detach().clone());

        // Both ways of loading into the net that is being trained put it back, and training goes on from there.
        foreach (bool fromStream in new[] { true, false })
        {
            optimizer.Step(() => net.forward(images), labels);
            CollectionAssert.AreNotEqual(trained, TestNets.Values(net));
            stream.Position = 0;
            if (fromStream)
                net.load(reader);
            else
                net.load_state_dict(saved);
            CollectionAssert.AreEqual(trained, TestNets.Values(net));
            optimizer.LearningRate = 0;
            double loss = optimizer.Step(() => net.forward(images), labels);
            Assert.AreEqual(functional.cross_entropy(net.forward(images), labels).item<double>(), loss, 1e-12);
            optimizer.LearningRate = 0.1;
            optimizer.Step(() => net.forward(images), labels);
            CollectionAssert.AreNotEqual(trained, TestNets.Values(net));
        }
    }

    [TestMethod]
    public void ZeroGradBetweenStepsDoesNoHarm()
    {
        double[] Train(bool zeroGrad)
        {
            using DisposeScope scope = NewDisposeScope();
            Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
            using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
            for (int t = 0; t < 3; t++)
            {
                (Tensor images, Tensor labels) = TestNets.ReferenceBatch(t);
                if (zeroGrad)
                    net.zero_grad();
                optimizer.Step(() => net.forward(images), labels);
            }
            return TestNets.Values(net);
        }
        CollectionAssert.AreEqual(Train(false), Train(true));
    }

    [TestMethod]
    public void ConvertingTheModuleAfterwardsIsNoticed()
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (bool batchNorm in new[] { false, true })
        {
            Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm);
            using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
            net.to(ScalarType.Float32);
            (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
            var e = Assert.ThrowsExactly<InvalidOperationException>(
                () => optimizer.Step(() => net.forward(images.to(ScalarType.Float32)), labels));
            StringAssert.Contains(e.Message, "was replaced after the optimiser was made");
        }
    }

    /// <summary>The object stays, and so does its gradient; only its memory is another's, so that nothing would be trained.</summary>
    [TestMethod]
    [DataRow("vector")]
    [DataRow("native layers")]
    public void AParameterWhoseMemoryIsReplacedIsNoticed(string how)
    {
        using DisposeScope scope = NewDisposeScope();
        using Module<Tensor, Tensor> net = how == "vector" ? Linear(3, 2) : Embedding(4, 2);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
        if (how == "vector")
            nn.utils.vector_to_parameters(zeros(8), net.parameters());
        else
            net.to(ScalarType.Float64);
        Tensor input = how == "vector" ? ones(2, 3) : tensor(new long[] { 1, 2 });
        var e = Assert.ThrowsExactly<InvalidOperationException>(
            () => optimizer.Step(() => net.call(input), zeros(2, dtype: ScalarType.Int64)));
        StringAssert.Contains(e.Message, "was replaced after the optimiser was made");
    }

    /// <summary>As flatten_parameters() of a recurrent layer does on a GPU.</summary>
    [TestMethod]
    public void AParameterThatMovesInTheForwardPassIsNoticed()
    {
        using DisposeScope scope = NewDisposeScope();
        using Linear net = Linear(3, 2);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
        var e = Assert.ThrowsExactly<InvalidOperationException>(() => optimizer.Step(
            () =>
            {
                using (no_grad())
                    net.weight.set_(net.weight.clone());
                return net.call(ones(2, 3));
            },
            zeros(2, dtype: ScalarType.Int64)));
        StringAssert.Contains(e.Message, "'weight' of the module was replaced");
    }

    [TestMethod]
    public void AParameterThatNoLongerBelongsToTheModuleIsNoticed()
    {
        using DisposeScope scope = NewDisposeScope();
        using var net = new SwappingNet();
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
        net.Swap();
        var e = Assert.ThrowsExactly<InvalidOperationException>(
            () => optimizer.Step(() => net.forward(ones(2, 3)), zeros(2, dtype: ScalarType.Int64)));
        StringAssert.Contains(e.Message, "'Weight' of the module was replaced");
    }

    [TestMethod]
    public void TheOptimizerOutlivesTheScopeInWhichItWasMade()
    {
        Module<Tensor, Tensor> net;
        SharpnessAwareOptimizer optimizer;
        using (NewDisposeScope())
        {
            net = TestNets.ReferenceNet(batchNorm: true);
            optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), new BaseOptimizer.AdamW(0.01));
        }
        using DisposeScope scope = NewDisposeScope();
        (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
        Assert.IsTrue(double.IsFinite(optimizer.Step(() => net.forward(images), labels)));
        optimizer.Dispose();
        net.Dispose();
    }

    private sealed class TiedNet : Module<Tensor, Tensor>
    {
        public readonly Linear First = Linear(3, 3, hasBias: false);
        public readonly Linear Second = Linear(3, 3, hasBias: false);

        public TiedNet() : base(nameof(TiedNet))
        {
            Second.weight = First.weight;
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => Second.forward(First.forward(input));
    }

    private sealed class SwappingNet : Module<Tensor, Tensor>
    {
        public Parameter Weight = Parameter(randn(3, 2));

        public SwappingNet() : base(nameof(SwappingNet)) => RegisterComponents();

        public void Swap()
        {
            Weight = Parameter(randn(3, 2));
            ConditionallyRegisterParameter(nameof(Weight), Weight);
        }

        public override Tensor forward(Tensor input) => input.matmul(Weight);
    }
}
