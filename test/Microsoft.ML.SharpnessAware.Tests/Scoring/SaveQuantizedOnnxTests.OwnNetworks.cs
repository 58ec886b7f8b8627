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

    /// <summary>A channel that nobody reads is so large that what the others say is rounded to nothing.</summary>
    [TestMethod]
    public void ImagesThatRoundingGivesAnotherClassAreCounted()
    {
        using SharpnessAwareImageClassificationTransformer model = OfThreeChannels(
            "int8_changed", weights: [1, 0, 0], biases: [1, 0, 3200], outputs: [[1, 0, 0], [0, 0, 0], [0, 0, 0]], last: [0, 0.5f, -5]);
        IDataView data = Hard(150);
        using var folder = new TemporaryFolder();
        string path = folder.File("int8.onnx");

        OnnxQuantizationReport report = model.SaveOnnx(path, Int8(data))!;

        Assert.AreEqual(0, Same(model.Transform(data), Scored(path, data)));
        Assert.AreEqual(0, report.SameClass);
    }

    /// <summary>As of a batch norm with a dead scale: all that the channel says is in its bias, which is an int32 in units of the
    /// weights'.</summary>
    [TestMethod]
    public void AChannelWhoseWeightsAreNearlyZeroKeepsItsBias()
    {
        using SharpnessAwareImageClassificationTransformer model = OfThreeChannels(
            "int8_dead", weights: [1e-12f, 0.1f, -0.1f], biases: [1, 0, 0], outputs: [[1, 0, 0], [0, 1, 0], [0, 0, 1]], last: [0, 0, 0]);
        IDataView data = Hard(150);
        using var folder = new TemporaryFolder();
        string path = folder.File("int8.onnx");

        model.SaveOnnx(path, Int8(data));

        AssertSame(Fitted.Scores(MLContext, model.Transform(data)), Fitted.Scores(MLContext, Scored(path, data)), 0.02f);
    }

    /// <summary>Each pixel by three weights and biases, the means of what is positive, and a linear layer.</summary>
    private static SharpnessAwareImageClassificationTransformer OfThreeChannels(
        string name, float[] weights, float[] biases, float[][] outputs, float[] last)
    {
        NetworkArchitecture.Register(name, classes => nn.Sequential(("conv", nn.Conv2d(1, 3, 1)), ("act", nn.ReLU()),
            ("one", nn.AdaptiveAvgPool2d(1)), ("flat", nn.Flatten()), ("fc", nn.Linear(3, classes))));
        using SharpnessAwareImageClassificationTransformer trained = Train(Hard(150), name);
        SharpnessAwareImageClassificationTransformer model = trained.WithTemperature(1);
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGradient = no_grad();
        Dictionary<string, Tensor> own = model.Classifier.Network.state_dict();
        own["conv.weight"].view(-1).copy_(tensor(weights));
        own["conv.bias"].copy_(tensor(biases));
        own["fc.weight"].view(-1).copy_(tensor(outputs.SelectMany(row => row).ToArray()));
        own["fc.bias"].copy_(tensor(last));
        return model;
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
