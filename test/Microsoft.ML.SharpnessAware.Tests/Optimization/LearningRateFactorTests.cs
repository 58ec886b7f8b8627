using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class LearningRateFactorTests
{
    private static readonly BaseOptimizer[] BaseOptimizers =
    [
        new BaseOptimizer.Sgd(0.1), new BaseOptimizer.Sgd(0.1, Nesterov: true) { DecayBiasAndNorm = true },
            new BaseOptimizer.AdamW(0.01, WeightDecay: 0.1),
    ];

    [TestMethod]
    public void FactorOneIsBitForBitNoFactor()
    {
        foreach (BaseOptimizer baseOptimizer in BaseOptimizers)
        {
            CollectionAssert.AreEqual(
                TestNets.Train(SharpnessAwareMethod.Ssam(), baseOptimizer, batchNorm: true),
                TestNets.Train(SharpnessAwareMethod.Ssam(), baseOptimizer, batchNorm: true,
                    configure: optimizer => optimizer.ScaleLearningRate(name => !name.StartsWith("fc", StringComparison.Ordinal), 1)));
        }
    }

    [TestMethod]
    public void AFactorOnEveryParameterIsALearningRateOfThatFactor()
    {
        foreach (BaseOptimizer baseOptimizer in BaseOptimizers)
        {
            double[] expected = TestNets.Train(SharpnessAwareMethod.Sam(),
                baseOptimizer with { LearningRate = 0.3 * baseOptimizer.LearningRate });
            double[] actual = TestNets.Train(SharpnessAwareMethod.Sam(), baseOptimizer, configure: optimizer =>
                optimizer.ScaleLearningRate(_ => true, 0.3));
            for (int i = 0; i < expected.Length; i++)
                Assert.AreEqual(expected[i], actual[i], 1e-13);
        }
    }

    [TestMethod]
    public void OnlyTheNamedParametersAreScaled()
    {
        foreach (BaseOptimizer baseOptimizer in BaseOptimizers)
        {
            Dictionary<string, double[]> all = OneStep(baseOptimizer, 1), scaled = OneStep(baseOptimizer, 0.25), none =
                OneStep(baseOptimizer, 0);
            foreach ((string name, double[] change) in all)
            {
                double factor = name.StartsWith("fc", StringComparison.Ordinal) ? 1 : 0.25;
                for (int i = 0; i < change.Length; i++)
                    Assert.AreEqual(factor * change[i], scaled[name][i], 1e-14, name);
                Assert.AreEqual(factor == 1, none[name].Any(value => value != 0), name);
            }
        }

        static Dictionary<string, double[]> OneStep(BaseOptimizer baseOptimizer, double factor)
        {
            using DisposeScope scope = NewDisposeScope();
            nn.Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true);
            var before = net.named_parameters().ToDictionary(p => p.name, p => p.parameter.detach().clone());
            using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Csam(), baseOptimizer);
            optimizer.ScaleLearningRate(name => !name.StartsWith("fc", StringComparison.Ordinal), factor);
            (Tensor images, Tensor labels) = TestNets.ReferenceBatch(1);
            optimizer.Step(() => net.forward(images), labels);
            return net.named_parameters().ToDictionary(
                p => p.name, p => (p.parameter.detach() - before[p.name]).reshape(-1).data<double>().ToArray());
        }
    }

    [TestMethod]
    public void NeighboursInTheVectorAreOneRange()
    {
        using DisposeScope scope = NewDisposeScope();
        using nn.Module net = nn.Sequential(("a", nn.Linear(2, 3)), ("b", nn.Linear(3, 4)), ("c", nn.Linear(4, 5)));
        using var parameters = new FlatParameters(net);
        // Weights 6 + 12 + 20, then biases 3 + 4 + 5.
        CollectionAssert.AreEqual(
            new[] { (0L, 18L), (38L, 7L) }, Ranges(name => !name.StartsWith('c')));
        CollectionAssert.AreEqual(new[] { (0L, 50L) }, Ranges(_ => true));
        CollectionAssert.AreEqual(
            new[] { (0L, 6L), (18L, 23L), (45L, 5L) }, Ranges(name => !name.StartsWith('b')));
        CollectionAssert.AreEqual(
            new[] { (0L, 18L, 1), (18L, 20L, 2), (38L, 7L, 1), (45L, 5L, 2) },
            parameters.Runs<int>(member => member.Name.StartsWith('c') ? 2 : 1).ToArray());

        (long, long)[] Ranges(Func<string, bool> isNamed) =>
            [.. parameters.Runs<int>(member => isNamed(member.Name) ? 1 : null).Select(run => (run.Start, run.Length))];
    }
}
