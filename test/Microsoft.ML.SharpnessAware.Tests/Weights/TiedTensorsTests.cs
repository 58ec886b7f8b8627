using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>A network that has one layer under two names, against files that store it twice, once, or with two contents.</summary>
[TestClass]
public sealed class TiedTensorsTests
{
    private static readonly ImageShape Input = new(1, 2, 2);

    [TestMethod]
    public void AFileThatStoresATiedTensorOnceIsTaken()
    {
        using DisposeScope scope = NewDisposeScope();
        using var network = new Tied();
        foreach (string stored in new[] { "first", "second" })
        {
            Dictionary<string, Tensor> weights = Weights();
            string left = stored == "first" ? "second" : "first";
            weights.Remove($"{left}.weight");
            weights.Remove($"{left}.bias");
            weights[$"{stored}.weight"].fill_(FixedScalars.Two);
            WeightTransfer.Load(network, null, Input, weights);
            Assert.AreEqual(2, network.state_dict()["second.weight"].data<float>().First());
        }
    }

    /// <summary>TorchSharp's embedding gives a new object of its weights each time it is asked.</summary>
    [TestMethod]
    public void AFileThatStoresATiedEmbeddingOnceIsTakenAndOneThatContradictsItIsRefused()
    {
        using DisposeScope scope = NewDisposeScope();
        Embedding words = nn.Embedding(4, 3);
        Linear head = nn.Linear(3, 4, hasBias: false);
        head.weight = words.weight!;
        using var network = nn.Sequential(("words", words), ("head", head));
        WeightTransfer.Load(network, null, Input, new Dictionary<string, Tensor> { ["words.weight"] = full(4, 3, 2f) });
        Assert.AreEqual(2, head.weight.data<float>().First());

        var contradiction = new Dictionary<string, Tensor> { ["words.weight"] = ones(4, 3), ["head.weight"] = zeros(4, 3) };
        InvalidDataException exception = Assert.ThrowsExactly<InvalidDataException>(
            () => WeightTransfer.Load(network, null, Input, contradiction));
        StringAssert.Contains(exception.Message, "words.weight and head.weight");
    }

    [TestMethod]
    public void AFileWithTheSameTensorTwiceIsTaken()
    {
        using DisposeScope scope = NewDisposeScope();
        using var network = new Tied();
        WeightTransfer.Load(network, null, Input, Weights());
        ModuleWeights.Load(network, Weights());
    }

    [TestMethod]
    public void AFileThatContradictsATieIsRefusedAndTheNetworkIsUnchanged()
    {
        using DisposeScope scope = NewDisposeScope();
        using var network = new Tied();
        float before = network.state_dict()["first.weight"].data<float>().First();
        Dictionary<string, Tensor> weights = Weights();
        weights["second.weight"] = weights["second.weight"].clone().fill_(FixedScalars.Two);
        foreach (Action load in new Action[] { () => WeightTransfer.Load(network, null, Input, weights), () =>
            ModuleWeights.Load(network, weights) })
        {
            InvalidDataException exception = Assert.ThrowsExactly<InvalidDataException>(load);
            StringAssert.Contains(exception.Message, "first.weight and second.weight");
            Assert.AreEqual(before, network.state_dict()["first.weight"].data<float>().First());
        }
    }

    [TestMethod]
    public void ATiedTensorThatIsMissingAltogetherIsMissing()
    {
        using DisposeScope scope = NewDisposeScope();
        using var network = new Tied();
        Dictionary<string, Tensor> weights = Weights();
        weights.Remove("first.weight");
        weights.Remove("second.weight");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(
            () => WeightTransfer.Load(network, null, Input, weights)).Message, "Missing: first.weight [4, 4], second.weight");
    }

    private static Dictionary<string, Tensor> Weights()
    {
        Tensor weight = ones(4, 4), bias = zeros(4);
        return new() { ["first.weight"] = weight, ["first.bias"] = bias, ["second.weight"] = weight, ["second.bias"] = bias };
    }

    private sealed class Tied : nn.Module<Tensor, Tensor>
    {
        private readonly Linear _layer = nn.Linear(4, 4);

        public Tied()
            : base(nameof(Tied))
        {
            register_module("first", _layer);
            register_module("second", _layer);
        }

        public override Tensor forward(Tensor input) => _layer.call(_layer.call(input.flatten(1)));
    }
}
