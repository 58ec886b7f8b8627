using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class BaseOptimizerTests
{
    public static IEnumerable<object[]> Settings =>
    [
        [new BaseOptimizer.Sgd(0.1, Momentum: 0, WeightDecay: 0)],
        [new BaseOptimizer.Sgd(0.1, Momentum: 0, WeightDecay: 0.01)],
        [new BaseOptimizer.Sgd(0.1)],
        [new BaseOptimizer.Sgd(0.1, Nesterov: true)],
        [new BaseOptimizer.AdamW(0.01)],
        [new BaseOptimizer.AdamW(0.01, 0.8, 0.95, 1e-3, 0)],
        [new BaseOptimizer.Adam(0.01)],
        [new BaseOptimizer.Adam(0.01, 0.8, 0.95, 1e-3, 0.1)],
    ];

    [TestMethod]
    [DynamicData(nameof(Settings))]
    public void UpdatesAreThoseOfTorchOptim(BaseOptimizer settings)
    {
        settings = settings with { DecayBiasAndNorm = true };
        double[] expected = PlainStep.Train(SharpnessAwareMethod.Standard, settings, batchNorm: true, steps: 20);
        double[] actual = TestNets.Train(SharpnessAwareMethod.Standard, settings, batchNorm: true, steps: 20);
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], 1e-12);
    }

    /// <summary>Chen et al. 2023, "Symbolic discovery of optimization algorithms", algorithm 2, written down a second time.</summary>
    [TestMethod]
    public void LionStepsByTheSignOfAnAverageAndKeepsAnother()
    {
        const double Rate = 0.01, Beta1 = 0.9, Beta2 = 0.99, Decay = 0.1;
        const int Steps = 6;
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
        Tensor[] parameters = [.. net.parameters()], averages = [.. parameters.Select(p => zeros_like(p))];
        for (int t = 0; t < Steps; t++)
        {
            (Tensor images, Tensor labels) = TestNets.ReferenceBatch(t);
            Tensor[] g = [.. autograd.grad([functional.cross_entropy(net.forward(images), labels)], parameters)];
            using var noGradient = no_grad();
            for (int k = 0; k < g.Length; k++)
            {
                parameters[k].mul_(1 - (Rate * Decay)).add_(((Beta1 * averages[k]) + ((1 - Beta1) * g[k])).sign() * -Rate);
                averages[k] = (Beta2 * averages[k]) + ((1 - Beta2) * g[k]);
            }
        }

        var lion = new BaseOptimizer.Lion(Rate, Beta1, Beta2, Decay) { DecayBiasAndNorm = true };
        double[] expected = TestNets.Values(net), actual = TestNets.Train(SharpnessAwareMethod.Standard, lion, steps: Steps);
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], 1e-12);
    }

    [TestMethod]
    public void WeightDecayLeavesBiasesAndNormalisationAloneUnlessAsked()
    {
        foreach (BaseOptimizer without in new BaseOptimizer[]
            { new BaseOptimizer.Sgd(0.1, WeightDecay: 0), new BaseOptimizer.AdamW(0.1, WeightDecay: 0) })
        {
            BaseOptimizer with = without is BaseOptimizer.Sgd sgd
                ? sgd with { WeightDecay = 0.5 }
                : (BaseOptimizer.AdamW)without with { WeightDecay = 0.5 };
            Dictionary<string, double[]> plain = OneStep(without), decayed = OneStep(with);
            Dictionary<string, double[]> all = OneStep(with with { DecayBiasAndNorm = true });
            foreach ((string name, double[] values) in plain)
            {
                bool isWeight = name is "conv.weight" or "fc.weight";
                Assert.AreEqual(!isWeight, values.SequenceEqual(decayed[name]), name);
                // A bias or scale of 0 has nothing to decay; the others change when asked.
                Assert.AreEqual(name == "bn.bias", values.SequenceEqual(all[name]), name);
            }
        }
    }

    [TestMethod]
    public void SettingsOutOfRangeAreRejectedByName()
    {
        void Rejects(string name, Func<BaseOptimizer> make) =>
            Assert.AreEqual(name, Assert.ThrowsExactly<ArgumentOutOfRangeException>(make).ParamName);

        BaseOptimizer sgd = new BaseOptimizer.Sgd(0.1);
        Rejects("LearningRate", () => new BaseOptimizer.Sgd(-0.1));
        Rejects("LearningRate", () => sgd with { LearningRate = double.NaN });
        Rejects("Momentum", () => new BaseOptimizer.Sgd(0.1, Momentum: 1));
        Rejects("WeightDecay", () => new BaseOptimizer.Sgd(0.1, WeightDecay: -1));
        Rejects("LearningRate", () => new BaseOptimizer.AdamW(double.PositiveInfinity));
        Rejects("Beta1", () => new BaseOptimizer.AdamW(0.1, Beta1: 1));
        Rejects("Beta2", () => new BaseOptimizer.AdamW(0.1, Beta2: -0.1));
        Rejects("Epsilon", () => new BaseOptimizer.AdamW(0.1, Epsilon: 0));
        Rejects("WeightDecay", () => new BaseOptimizer.AdamW(0.1, WeightDecay: double.NaN));
    }

    [TestMethod]
    public void TheLearningRateCanBeChangedWithoutKnowingTheKind()
    {
        BaseOptimizer settings = new BaseOptimizer.AdamW(0.1, Beta1: 0.8);
        Assert.AreEqual(new BaseOptimizer.AdamW(0.2, Beta1: 0.8), settings with { LearningRate = 0.2 });
    }

    private static Dictionary<string, double[]> OneStep(BaseOptimizer settings)
    {
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Standard, settings);
        (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
        optimizer.Step(() => net.forward(images), labels);
        return net.named_parameters().ToDictionary(p => p.name, p => p.parameter.reshape(-1).data<double>().ToArray());
    }
}
