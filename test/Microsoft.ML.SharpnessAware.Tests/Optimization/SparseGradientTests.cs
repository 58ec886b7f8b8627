using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Embeddings whose gradient tells only of the rows that were looked up.</summary>
[TestClass]
public sealed class SparseGradientTests : WithDisposeScope
{
    [TestMethod]
    [DataRow(false, false)]
    [DataRow(false, true)]
    [DataRow(true, false)]
    [DataRow(true, true)]
    public void ASparseEmbeddingTrainsAsADenseOne(bool isBag, bool torchs)
    {
        Module<Tensor, Tensor> sparse = Net(isBag, sparse: true), dense = Net(isBag, sparse: false);
        dense.load_state_dict(sparse.state_dict());
        using SharpnessAwareOptimizer first = Make(sparse), second = Make(dense);
        double[] before = TestNets.Values(sparse);
        for (int t = 0; t < 4; t++)
        {
            Tensor words = (arange(8) * (t + 1)).remainder(5), labels = words.remainder(3);
            foreach (int parts in new[] { 1, 2 })
                Assert.AreEqual(second.Step(Parts(dense, parts)), first.Step(Parts(sparse, parts)), 1e-6);

            IEnumerable<MicroBatch> Parts(Module<Tensor, Tensor> net, int count) => Enumerable.Range(0, count).Select(part =>
            {
                Tensor own = words.narrow(0, part * 8 / count, 8 / count);
                return new MicroBatch(() => net.call(isBag ? own.unsqueeze(1) : own), labels.narrow(0, part * 8 / count, 8 / count));
            });
        }
        CollectionAssert.AreNotEqual(before, TestNets.Values(sparse));
        foreach ((double expected, double actual) in TestNets.Values(dense).Zip(TestNets.Values(sparse)))
            Assert.AreEqual(expected, actual, 1e-5);

        SharpnessAwareOptimizer Make(Module<Tensor, Tensor> net) => torchs
            ? new(net, SharpnessAwareMethod.Sam(0.1), optim.AdamW(net.parameters(), 0.01))
            : new(net, SharpnessAwareMethod.Sam(0.1), new BaseOptimizer.Sgd(0.1));
    }

    private static Module<Tensor, Tensor> Net(bool isBag, bool sparse) => Sequential(
        isBag ? new Bag(EmbeddingBag(5, 4, mode: TorchSharp.EmbeddingBagMode.Sum, sparse: sparse)) : Embedding(5, 4, sparse: sparse),
        Linear(4, 3));

    private sealed class Bag : Module<Tensor, Tensor>
    {
        private readonly EmbeddingBag _words;

        public Bag(EmbeddingBag words) : base(nameof(Bag))
        {
            _words = words;
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => _words.call(input);
    }
}
