using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

// Networks of one's own.
public sealed partial class SaveQuantizedOnnxTests
{
    [TestMethod]
    public void ANetworkOfOnesOwnIsQuantisedWhereItHasKnownLayersAndRefusedWhereItHasNone()
    {
        NetworkArchitecture.Register("int8_own", classes => new Gated(classes));
        NetworkArchitecture.Register("int8_none", classes => new Nothing(classes));
        IDataView data = Hard(60);
        using SharpnessAwareImageClassificationTransformer own = Train(data, "int8_own"), none = Train(data, "int8_none");
        using var folder = new TemporaryFolder();
        string path = folder.File("int8.onnx");

        own.SaveOnnx(path, Int8(data));
        var e = Assert.Throws<NotSupportedException>(() => none.SaveOnnx(folder.File("none.onnx"), Int8(data)));

        Assert.IsGreaterThanOrEqualTo(0.95, Same(own.Transform(data), Scored(path, data)));
        Assert.Contains("nothing to quantise", e.Message);
        CollectionAssert.AreEqual(new[] { "int8.onnx" }, folder.FileNames().ToArray());
    }

    /// <summary>As of a batch norm with a dead scale: all that the channel says is in its bias, which is an int32 in units of the
    /// weights'.</summary>
    [TestMethod]
    public void AChannelWhoseWeightsAreNearlyZeroKeepsItsBias()
    {
        NetworkArchitecture.Register("int8_dead", classes => nn.Sequential(("conv", nn.Conv2d(1, 3, 1)), ("act", nn.ReLU()),
            ("one", nn.AdaptiveAvgPool2d(1)), ("flat", nn.Flatten()), ("fc", nn.Linear(3, classes))));
        IDataView data = Hard(150);
        using SharpnessAwareImageClassificationTransformer trained = Train(data, "int8_dead");
        using SharpnessAwareImageClassificationTransformer model = trained.WithTemperature(1);
        using (DisposeScope scope = NewDisposeScope())
        using (IDisposable noGradient = no_grad())
        {
            Dictionary<string, Tensor> weights = model.Classifier.Network.state_dict();
            weights["conv.weight"].view(-1).copy_(tensor(new[] { 1e-12f, 0.1f, -0.1f }));
            weights["conv.bias"].copy_(tensor(new[] { 1f, 0, 0 }));
            weights["fc.weight"].copy_(eye(3));
            weights["fc.bias"].zero_();
        }

        using var folder = new TemporaryFolder();
        string path = folder.File("int8.onnx");

        model.SaveOnnx(path, Int8(data));

        AssertSame(Fitted.Scores(MLContext, model.Transform(data)), Fitted.Scores(MLContext, Scored(path, data)), 0.02f);
    }

    /// <summary>Convolutions with and without bias, with a ReLU behind or several readers, and operators of its own.</summary>
    private sealed class Gated : nn.Module<Tensor, Tensor>, IOnnxNetwork
    {
        private readonly nn.Module<Tensor, Tensor> _first, _gate, _head;

        public Gated(int classes)
            : base(nameof(Gated))
        {
            _first = nn.Conv2d(1, 6, 3, padding: 1);
            _gate = nn.Sequential(nn.Conv2d(6, 6, 3, padding: 1, groups: 2, bias: false), nn.BatchNorm2d(6), nn.ReLU());
            _head = nn.Linear(6, classes);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            Tensor first = _first.call(input);
            return _head.call(first.mul(_gate.call(first).sigmoid()).mean([2, 3]));
        }

        public OnnxValue Describe(OnnxNetworkGraph graph, OnnxValue input)
        {
            OnnxValue first = graph.Layer(_first, input);
            OnnxValue gate = graph.Operator("Sigmoid", [graph.Layer(_gate, first)]);
            OnnxValue mean = graph.Operator("GlobalAveragePool", [graph.Operator("Mul", [first, gate])]);
            return graph.Layer(_head, graph.Operator("Reshape", [mean, graph.Vector(0, -1)]));
        }
    }

    private sealed class Nothing : nn.Module<Tensor, Tensor>, IOnnxNetwork
    {
        private readonly TorchSharp.Modules.Parameter _scale;

        public Nothing(int classes)
            : base(nameof(Nothing))
        {
            _scale = new TorchSharp.Modules.Parameter(rand(1, classes));
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => input.mean([2, 3]).mul(_scale);

        public OnnxValue Describe(OnnxNetworkGraph graph, OnnxValue input)
        {
            OnnxValue mean = graph.Operator("Reshape", [graph.Operator("GlobalAveragePool", [input]), graph.Vector(0, -1)]);
            return graph.Operator("Mul", [mean, graph.Constant(_scale)]);
        }
    }
}
