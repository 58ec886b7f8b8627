using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class ParameterGroupTests
{
    private static readonly BaseOptimizer Sgd = new BaseOptimizer.Sgd(0.1, Momentum: 0, WeightDecay: 0.01);
    private static readonly SharpnessAwareMethod[] Methods =
    [
        SharpnessAwareMethod.Sam(0.3), SharpnessAwareMethod.Ssam(0.3), SharpnessAwareMethod.Csam(0.3),
        SharpnessAwareMethod.Csam(0.3) with { Renormalize = true },
    ];

    [TestMethod]
    public void GroupsTrainAsEachParameterByItself()
    {
        foreach (SharpnessAwareMethod method in Methods)
        {
            double[] expected = PlainGroups.Train(method, 0.1, name => name switch
            {
                "conv.weight" => (0.5, 0.2, 1),
                "conv.bias" => (0.5, 0.2, 1),
                "fc.bias" => (1, 0.01, 0),
                _ => (2, 0.01, 0.7),
            }, steps: 6);
            double[] actual = Train(method, Sgd, 6,
                new ParameterGroup("fc.bias") { RhoFactor = 0 },
                new ParameterGroup("conv.*") { LearningRateFactor = 0.5, WeightDecay = 0.2 },
                ParameterGroup.Rest with { LearningRateFactor = 2, RhoFactor = 0.7 });
            AreClose(expected, actual);
        }
    }

    [TestMethod]
    public void OneGroupOfAllIsNoGroup()
    {
        foreach (BaseOptimizer settings in new BaseOptimizer[] { new BaseOptimizer.Sgd(0.1), new BaseOptimizer.AdamW(0.01),
            new BaseOptimizer.Lion(1e-3) })
        {
            foreach (SharpnessAwareMethod method in Methods.Append(SharpnessAwareMethod.Asam(0.3)))
            {
                double[] expected = TestNets.Train(method, settings, batchNorm: true);
                CollectionAssert.AreEqual(expected, Train(method, settings, 5, [ParameterGroup.Rest], batchNorm: true));
                CollectionAssert.AreEqual(expected, Train(method, settings, 5, [new ParameterGroup("*") { RhoFactor = 1 }],
                    batchNorm: true));
            }
        }
    }

    [TestMethod]
    public void AFactorOnAllIsAFactorOnTheSetting()
    {
        SharpnessAwareMethod method = SharpnessAwareMethod.Ssam(0.2);
        AreClose(Train(method with { Rho = 0.1 }, Sgd, 5), Train(method, Sgd, 5, ParameterGroup.Rest with { RhoFactor = 0.5 }));
        AreClose(
            Train(method, new BaseOptimizer.AdamW(0.005), 5),
            Train(method, new BaseOptimizer.AdamW(0.01), 5, ParameterGroup.Rest with { LearningRateFactor = 0.5 }));
        CollectionAssert.AreEqual(
            Train(SharpnessAwareMethod.Standard, Sgd, 5),
                Train(method with { Renormalize = false }, Sgd, 5, ParameterGroup.Rest with { RhoFactor = 0 }));
    }

    /// <summary>Mueller et al. 2023: only the parameters of normalisation layers climb, by ρ.</summary>
    [TestMethod]
    public void SamOnNormalisationLayersOnlyIsOneLine()
    {
        double squares = 0;
        foreach ((string name, double[] before, double[] there) in Climb(SharpnessAwareMethod.Sam(0.3), ParameterGroup.NormalizationLayers))
        {
            Assert.AreEqual(!name.StartsWith("bn"), before.SequenceEqual(there), name);
            squares += there.Zip(before, (a, b) => (a - b) * (a - b)).Sum();
        }
        Assert.AreEqual(0.3, Math.Sqrt(squares), 1e-12);
    }

    /// <summary>TorchSharp's transformer layers have parameters, and no modules inside.</summary>
    [TestMethod]
    public void NormalisationInsideOfTransformerLayersIsFound()
    {
        using DisposeScope scope = NewDisposeScope();
        using Module<Tensor, Tensor> net = Sequential(("norm", LayerNorm(4)), ("head", Linear(4, 2)));
        using var encoder = TransformerEncoderLayer(d_model: 4, nhead: 1, dim_feedforward: 8);
        using var holder = new WithEncoder(encoder, net);
        using var optimizer = new SharpnessAwareOptimizer(holder, SharpnessAwareMethod.Sam(), Sgd,
            groups: [ParameterGroup.NormalizationLayers with { LearningRateFactor = 3 }, ParameterGroup.Rest]);
        string[] found = [.. optimizer.Parameters.Members.Where(member => member.LearningRateFactor == 3).Select(member => member.Name)];
        CollectionAssert.AreEquivalent(new[]
        {
            "Encoder.norm1.weight", "Encoder.norm1.bias", "Encoder.norm2.weight", "Encoder.norm2.bias", "Net.norm.weight", "Net.norm.bias",
        }, found);
    }

    private sealed class WithEncoder : Module
    {
        public readonly TransformerEncoderLayer Encoder;
        public readonly Module Net;

        public WithEncoder(TransformerEncoderLayer encoder, Module net) : base(nameof(WithEncoder))
        {
            (Encoder, Net) = (encoder, net);
            RegisterComponents();
        }
    }

    /// <summary>Its radius is that of the change of each weight over the weight.</summary>
    [TestMethod]
    public void AsamOnAPartOnlyClimbsByItsRadiusThere()
    {
        double squares = 0;
        foreach ((string name, double[] before, double[] there) in Climb(SharpnessAwareMethod.Asam(0.3), new ParameterGroup("fc.*")))
        {
            Assert.AreEqual(!name.StartsWith("fc"), before.SequenceEqual(there), name);
            if (name.StartsWith("fc"))
                squares += there.Zip(before, (a, b) => Math.Pow((a - b) / b, 2)).Sum();
        }
        Assert.AreEqual(0.3, Math.Sqrt(squares), 1e-10);
    }

    [TestMethod]
    public void AFrozenGroupStaysAndIsFreeAgainAfterwards()
    {
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true);
        double[] before = [.. net.get_parameter("conv.weight")!.reshape(-1).data<double>()];
        using (var optimizer = new SharpnessAwareOptimizer(
            net, SharpnessAwareMethod.Sam(), Sgd, groups: [new ParameterGroup("conv.*") { Frozen = true }]))
        {
            (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
            optimizer.Step(() => net.forward(images), labels);
            Assert.IsFalse(net.get_parameter("conv.weight")!.requires_grad);
        }
        CollectionAssert.AreEqual(before, net.get_parameter("conv.weight")!.reshape(-1).data<double>().ToArray());
        Assert.IsTrue(net.parameters().All(parameter => parameter.requires_grad));
    }

    [TestMethod]
    public void ModulesNameTheirParameters()
    {
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> body = Sequential(("a", Linear(2, 2)), ("b", Linear(2, 2))), head = Linear(2, 2);
        Module<Tensor, Tensor> net = Sequential(("body", body), ("head", head));
        Dictionary<string, ParameterGroup> assigned = ParameterGroup.Assign(net, [new ParameterGroup(body), ParameterGroup.Rest]);
        CollectionAssert.AreEquivalent(
            new[] { "body.a.weight", "body.a.bias", "body.b.weight", "body.b.bias" },
            assigned.Where(entry => !entry.Value.IsRest).Select(entry => entry.Key).ToArray());
        Assert.HasCount(6, assigned);
    }

    [TestMethod]
    public void GroupsThatOverlapOrNameNothingAreRefusedAndTakeNothing()
    {
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true);
        void Rejects(string message, params ParameterGroup[] groups) => StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(
                () => new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd, groups: groups)).Message, message);
        Rejects("'conv.bias' is in two groups, of 'conv.*' and of '*.bias'", new("conv.*"), new("*.bias"));
        Rejects("group of 'layer4.*' has no parameter", new ParameterGroup("layer4.*"));
        Rejects("group of the rest has no parameter", new("*"), ParameterGroup.Rest);
        Rejects("is not part of the module", new ParameterGroup(Linear(2, 2)));
        Rejects("no trainable parameters", new ParameterGroup("*") { Frozen = true });
        Assert.ThrowsExactly<ArgumentException>(() => new ParameterGroup(Array.Empty<string>()));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => ParameterGroup.Rest with { RhoFactor = -1 });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => ParameterGroup.Rest with { WeightDecay = double.NaN });
        Assert.IsTrue(net.parameters().All(parameter => parameter.requires_grad));
        using var fine = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
    }

    [TestMethod]
    public void GroupsAreSavedAndResumed()
    {
        using DisposeScope scope = NewDisposeScope();
        ParameterGroup[] groups = [new ParameterGroup("fc.*") { LearningRateFactor = 0.5, WeightDecay = 0.1, RhoFactor = 2 }];
        ParameterGroup[] others = [new ParameterGroup("fc.*")];
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false), resumed = TestNets.ReferenceNet(batchNorm: false);
        BaseOptimizer settings = new BaseOptimizer.AdamW(0.01);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), settings, groups: groups);
        using var other = new SharpnessAwareOptimizer(resumed, SharpnessAwareMethod.Sam(), settings, groups: others);
        Step(net, optimizer, 0);
        using var stream = new MemoryStream();
        optimizer.Save(new BinaryWriter(stream));
        stream.Position = 0;
        other.Load(new BinaryReader(stream));
        resumed.load_state_dict(net.state_dict());
        Step(net, optimizer, 1);
        Step(resumed, other, 1);
        CollectionAssert.AreEqual(TestNets.Values(net), TestNets.Values(resumed));
    }

    private static double[] Train(SharpnessAwareMethod method, BaseOptimizer settings, int steps, params ParameterGroup[] groups) =>
        Train(method, settings, steps, groups, batchNorm: false);

    private static double[] Train(SharpnessAwareMethod method, BaseOptimizer settings, int steps, ParameterGroup[] groups, bool batchNorm)
    {
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm);
        using var optimizer = new SharpnessAwareOptimizer(net, method, settings with { DecayBiasAndNorm = !batchNorm }, groups: groups);
        for (int t = 0; t < steps; t++)
            Step(net, optimizer, t);
        return TestNets.Values(net);
    }

    /// <summary>Each parameter before a step and in its second pass, where only one group climbs.</summary>
    private static (string Name, double[] Before, double[] There)[] Climb(SharpnessAwareMethod method, ParameterGroup group)
    {
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true);
        using var optimizer = new SharpnessAwareOptimizer(net, method, Sgd, groups: [group, ParameterGroup.Rest with { RhoFactor = 0 }]);
        (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
        List<double[][]> passes = [];
        optimizer.Step(() =>
        {
            passes.Add([.. net.parameters().Select(parameter => parameter.reshape(-1).data<double>().ToArray())]);
            return net.forward(images);
        }, labels);
        Assert.HasCount(2, passes);
        return [.. net.named_parameters().Select((p, i) => (p.name, passes[0][i], passes[1][i]))];
    }

    private static void Step(Module<Tensor, Tensor> net, SharpnessAwareOptimizer optimizer, int t)
    {
        (Tensor images, Tensor labels) = TestNets.ReferenceBatch(t);
        optimizer.Step(() => net.forward(images), labels);
    }

    private static void AreClose(double[] expected, double[] actual)
    {
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], 1e-12);
    }
}
