using Microsoft.ML.Data;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using Onnx;
using TorchSharp.Modules;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Microsoft.ML.SharpnessAware.Tests;

// Networks of one's own.
public sealed partial class SaveOnnxTests
{
    [TestMethod]
    public void ANetworkOfKnownLayersNeedsNoCode()
    {
        NetworkArchitecture.Register("onnx_known", classes => nn.Sequential(
            ("conv", nn.Conv2d(3, 8, (3L, 5L), stride: (2L, 1L), padding: (1L, 2L), dilation: (1L, 1L))), ("norm", nn.BatchNorm2d(8)),
                ("act", nn.GELU()),
            ("depthwise", nn.Conv2d(8, 16, 3, groups: 8, dilation: 2)), ("silu", nn.SiLU()),
                ("pool", nn.MaxPool2d(3, stride: 2, padding: 1)),
            ("drop", nn.Dropout(0.3)), ("leaky", nn.LeakyReLU(0.2)), ("average", nn.AvgPool2d(2)), ("elu", nn.ELU(0.7)),
                ("hard", nn.Hardswish()),
            ("inner", nn.Sequential(nn.Conv2d(16, 8, 1), nn.ReLU6(), nn.BatchNorm2d(8))), ("one", nn.AdaptiveAvgPool2d(1)),
                ("flat", nn.Flatten()),
            ("layer", nn.LayerNorm(8)), ("hidden", nn.Linear(8, 12, hasBias: false)), ("bn", nn.BatchNorm1d(12)), ("tanh", nn.Tanh()),
            ("sigmoid", nn.Sigmoid()), ("fc", nn.Linear(12, classes))));
        using SharpnessAwareImageClassificationTransformer model = Make("onnx_known", new(3, 21, 23));
        using var folder = new TemporaryFolder();
        foreach (int opset in new[] { 11, 13, 17, 18 })
        {
            model.SaveOnnx(folder.File("model.onnx"), new OnnxExportOptions { OpsetVersion = opset });
            AssertSame(model, folder.File("model.onnx"));
            Assert.IsEmpty(Run(folder.File("model.onnx"),
                NamedOnnxValue.CreateFromTensor("Image", new DenseTensor<byte>([0, 3, 21, 23]))).Scores);
        }
    }

    [TestMethod]
    public void PoolsThatRoundUpOrAreUnequallyPaddedAreWrittenAsEveryRuntimeReadsThemOrNotAtAll()
    {
        // At the edge: 14 pixels, of which windows of three at every second one leave one.
        Dictionary<string, (Func<nn.Module<Tensor, Tensor>> Create, int NewestOpset)> pools = new()
        {
            ["average"] = (() => nn.AvgPool2d(3, stride: 2, ceil_mode: true), 21),
            ["average2"] = (() => nn.AvgPool2d((3, 4), (2, 3), ceil_mode: true, count_include_pad: false), 21),
            ["padded"] = (() => nn.AvgPool2d(3, stride: 2, padding: 1), 21),
            ["without"] = (() => nn.AvgPool2d(3, stride: 2, padding: 1, count_include_pad: false), 21),
            ["padded_up"] = (() => nn.AvgPool2d(3, stride: 2, padding: 1, ceil_mode: true), 0),
            ["unequal"] = (() => nn.AvgPool2d((3, 3), (1, 1), (1, 0)), 18),
            ["unequal_without"] = (() => nn.AvgPool2d((3, 3), (1, 1), (1, 0), count_include_pad: false), 21),
            ["beyond"] = (() => nn.AvgPool2d(1, stride: 3, ceil_mode: true), 0),
            ["max"] = (() => nn.MaxPool2d(3, stride: 2, ceil_mode: true), 21),
            ["max_padded"] = (() => nn.MaxPool2d(3, stride: 2, padding: 1, ceil_mode: true), 21),
            ["max_beyond"] = (() => nn.MaxPool2d(2, stride: 2, padding: 1, ceil_mode: true), 0),
        };
        foreach ((string name, (Func<nn.Module<Tensor, Tensor>> create, int newest)) in pools)
        {
            NetworkArchitecture.Register($"onnx_pool_{name}", classes => nn.Sequential(
                ("conv", nn.Conv2d(3, 4, 3)), ("pool", create()), ("norm", nn.BatchNorm2d(4)), ("end", End(classes))));
            using SharpnessAwareImageClassificationTransformer model = Make($"onnx_pool_{name}", new(3, 16, 16));
            using var folder = new TemporaryFolder();
            foreach (int opset in new[] { 11, 17, 18, 19, 21 })
            {
                var options = new OnnxExportOptions { OpsetVersion = opset };
                if (opset <= newest)
                {
                    model.SaveOnnx(folder.File("model.onnx"), options);
                    AssertSame(model, folder.File("model.onnx"));
                    OnnxNode written = OnnxGraph.Read(File.ReadAllBytes(folder.File("model.onnx"))).Nodes
                        .Single(node => node.Type is "AveragePool" or "MaxPool");
                    Assert.IsTrue(written.Has("count_include_pad", [name is "padded" or "unequal" ? 1 : 0], isDefault: true), name);
                }
                else
                {
                    Assert.Contains("'pool'", Assert.Throws<NotSupportedException>(
                        () => model.SaveOnnx(folder.File("model.onnx"), options), name).Message);
                }
            }
        }
    }

    [TestMethod]
    public void ANetworkOfOnesOwnDescribesItself()
    {
        NetworkArchitecture.Register("onnx_own", classes => new Own(classes, describes: true));
        using SharpnessAwareImageClassificationTransformer model = Make("onnx_own", new(3, 10, 10));
        using var folder = new TemporaryFolder();

        model.SaveOnnx(folder.File("model.onnx"));

        AssertSame(model, folder.File("model.onnx"));
    }

    /// <summary>Opset 13 has <c>keepdims</c> as a number, and what a person writes for it is a bool or an int.</summary>
    [TestMethod]
    public void NumbersAndAttributesAreWrittenAsOneWritesThem()
    {
        NetworkArchitecture.Register("onnx_attributes", classes => nn.Sequential(
            ("means", new Means()), ("fc", nn.Linear(3, classes))));
        using SharpnessAwareImageClassificationTransformer model = Make("onnx_attributes", new(3, 10, 10));
        using var folder = new TemporaryFolder();

        model.SaveOnnx(folder.File("model.onnx"));

        AssertSame(model, folder.File("model.onnx"));
        using (FileStream file = File.Create(folder.File("converted.onnx")))
        {
            var mlContext = new MLContext();
            mlContext.Model.ConvertToOnnx(model, mlContext.Data.LoadFromEnumerable([new Pixels()]), 12, file);
        }

        NodeProto[] converted = [.. ModelProto.Parser.ParseFrom(File.ReadAllBytes(folder.File("converted.onnx"))).Graph.Node];
        Assert.IsTrue(converted.Any(node => node.OpType == "Softmax" && node.Attribute.Single().I == 3), "ML.NET's own conversion");
        Assert.IsTrue(converted.Any(node =>
            node.OpType == "ReduceMax" && node.Attribute.Any(one => one.Name == "keepdims" && one.I == 0)));
        NetworkArchitecture.Register("onnx_dates", classes => nn.Sequential(
            ("means", new Means(DateTime.UnixEpoch)), ("fc", nn.Linear(3, classes))));
        using SharpnessAwareImageClassificationTransformer wrong = Make("onnx_dates", new(3, 10, 10));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => wrong.SaveOnnx(folder.File("no.onnx"))).Message,
            "Attribute 'axis' is of type System.DateTime; it must be long, int, bool, long[], float or string.");
    }

    [TestMethod]
    public void ABatchNormOfSequencesIsOfTheirChannels()
    {
        // As many channels as steps: applied to the wrong one it would not be seen by the shapes.
        NetworkArchitecture.Register("onnx_sequences", classes => nn.Sequential(
            ("conv", nn.Conv2d(3, 6, 3, padding: 1)), ("sequences", new Sequences()), ("bn", nn.BatchNorm1d(6)), ("relu", nn.ReLU()),
            ("flat", nn.Flatten()), ("fc", nn.Linear(36, classes))));
        using SharpnessAwareImageClassificationTransformer model = Make("onnx_sequences", new(3, 2, 3));
        using var folder = new TemporaryFolder();

        model.SaveOnnx(folder.File("model.onnx"));

        AssertSame(model, folder.File("model.onnx"));
    }

    [TestMethod]
    [DataRow(2)]
    [DataRow(3)]
    public void NoImagesAreABatchToANetworkThatFlattensLaterDimensions(long start)
    {
        string name = $"onnx_flatten_{start}";
        NetworkArchitecture.Register(name, classes => nn.Sequential(
            ("conv", nn.Conv2d(3, 4, 1)), ("sequences", nn.Flatten(start)), ("relu", nn.ReLU()), ("flat", nn.Flatten()),
            ("fc", nn.Linear(4 * 5 * 6, classes))));
        using SharpnessAwareImageClassificationTransformer model = Make(name, new(3, 5, 6));
        using var folder = new TemporaryFolder();
        foreach (int opset in new[] { 11, 17, 21 })
        {
            model.SaveOnnx(folder.File("model.onnx"), new OnnxExportOptions { OpsetVersion = opset });

            AssertSame(model, folder.File("model.onnx"));
            Assert.IsEmpty(Run(folder.File("model.onnx"),
                NamedOnnxValue.CreateFromTensor("Image", new DenseTensor<byte>([0, 3, 5, 6]))).Scores);
        }
    }

    [TestMethod]
    public void ALayerThatCannotBeWrittenIsNamed()
    {
        NetworkArchitecture.Register("onnx_unknown", classes => nn.Sequential(
            ("stem", nn.Sequential(("conv", nn.Conv2d(3, 8, 3)), ("shuffle", nn.PixelShuffle(2)))), ("one", nn.AdaptiveAvgPool2d(1)),
            ("flat", nn.Flatten()), ("fc", nn.Linear(2, classes))));
        using SharpnessAwareImageClassificationTransformer model = Make("onnx_unknown", new(3, 10, 10));
        using var folder = new TemporaryFolder();
        string path = folder.File("model.onnx");
        File.WriteAllText(path, "what was there");

        var e = Assert.Throws<NotSupportedException>(() => model.SaveOnnx(path));

        Assert.Contains("stem.shuffle", e.Message);
        Assert.Contains("PixelShuffle", e.Message);
        Assert.Contains("onnx_unknown", e.Message);
        Assert.AreEqual("what was there", File.ReadAllText(path));
        CollectionAssert.AreEqual(new[] { "model.onnx" }, folder.FileNames().ToArray());
    }

    /// <summary>Each is like a layer that is written, but for one setting, which the operator lacks.</summary>
    [TestMethod]
    [DataRow("divisor", "'odd'")]
    [DataRow("tanh", "'odd'")]
    [DataRow("two by two", "'odd'")]
    [DataRow("reflected", "not a number of zeros")]
    [DataRow("same", "not a number of zeros")]
    public void ASettingThatCannotBeWrittenIsNotLeftOut(string what, string words)
    {
        string name = $"onnx_odd_{what}";
        NetworkArchitecture.Register(name, classes => nn.Sequential(("conv", nn.Conv2d(3, 4, 3)), ("odd", what switch
        {
            "divisor" => nn.AvgPool2d(2, divisor_override: 5),
            "tanh" => nn.GELU(GELU.Approximate.tanh),
            "two by two" => nn.AdaptiveAvgPool2d(2),
            "reflected" => nn.Conv2d(4, 4, 3, padding: 1, padding_mode: TorchSharp.PaddingModes.Reflect),
            _ => nn.Conv2d(4, 4, 3, TorchSharp.Padding.Same),
        }), ("end", End(classes))));
        using SharpnessAwareImageClassificationTransformer model = Make(name, new(3, 10, 10));
        using var folder = new TemporaryFolder();

        var e = Assert.Throws<NotSupportedException>(() => model.SaveOnnx(folder.File("model.onnx")));

        Assert.Contains(words, e.Message);
        Assert.IsEmpty(folder.FileNames());
    }

    /// <summary>Variances are about 1, so that half of one more changes each channel by another quarter.</summary>
    [TestMethod]
    [DataRow(11)]
    [DataRow(17)]
    public void NormsHaveTheirOwnEpsilonAndMayHaveNoWeights(int opset)
    {
        NetworkArchitecture.Register("onnx_norms", classes => nn.Sequential(
            ("conv", nn.Conv2d(3, 8, 3)), ("folded", nn.BatchNorm2d(8, eps: 0.5)), ("act", nn.ReLU()),
            ("alone", nn.BatchNorm2d(8, eps: 0.5)), ("plain", nn.BatchNorm2d(8, affine: false)),
            ("one", nn.AdaptiveAvgPool2d(1)), ("flat", nn.Flatten()), ("layer", nn.LayerNorm(8, eps: 0.5)),
            ("hidden", nn.Linear(8, 12)), ("bn", nn.BatchNorm1d(12, eps: 0.5)), ("fc", nn.Linear(12, classes))));
        using SharpnessAwareImageClassificationTransformer model = Make("onnx_norms", new(3, 9, 11));
        using var folder = new TemporaryFolder();

        model.SaveOnnx(folder.File("model.onnx"), new OnnxExportOptions { OpsetVersion = opset });

        AssertSame(model, folder.File("model.onnx"));
    }

    [TestMethod]
    [DataRow("a Sequential")]
    [DataRow("the whole network")]
    [DataRow("a batch norm behind a convolution")]
    [DataRow("a network that describes itself")]
    public void AForwardThatADerivedClassOverridesIsNotWrittenAsThatOfItsBase(string what)
    {
        string name = $"onnx_derived_{what}";
        NetworkArchitecture.Register(name, classes => what switch
        {
            "a Sequential" =>
                nn.Sequential(("conv", nn.Conv2d(3, 4, 3)), ("odd", new Skip(nn.Conv2d(4, 4, 1), nn.ReLU())), ("end", End(classes))),
            "the whole network" => new Skip(nn.Conv2d(3, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            "a batch norm behind a convolution" =>
                nn.Sequential(("conv", nn.Conv2d(3, 4, 3)), ("odd", new Halved(4)), ("end", End(classes))),
            _ => nn.Sequential(("conv", nn.Conv2d(3, 4, 3)), ("odd", new DoubledAgain()), ("end", End(classes))),
        });
        int size = what == "the whole network" ? 1 : 10;
        using SharpnessAwareImageClassificationTransformer model = Make(name, new(3, size, size));
        using var folder = new TemporaryFolder();

        var e = Assert.Throws<NotSupportedException>(() => model.SaveOnnx(folder.File("model.onnx")));

        Assert.Contains(what == "the whole network" ? "Skip" : "'odd'", e.Message);
        Assert.IsEmpty(folder.FileNames());
    }

    [TestMethod]
    public void AClassOfOnesOwnThatComputesNothingElseIsWritten()
    {
        NetworkArchitecture.Register("onnx_inherited", classes => nn.Sequential(
            ("stem", new Stem(4)), ("twice", new Doubled()), ("again", new DoubledAndDescribed()), ("thrice", new Thrice()),
            ("end", End(classes))));
        using SharpnessAwareImageClassificationTransformer model = Make("onnx_inherited", new(3, 10, 10));
        using var folder = new TemporaryFolder();

        model.SaveOnnx(folder.File("model.onnx"));

        AssertSame(model, folder.File("model.onnx"));
    }

    [TestMethod]
    public void WhatAHookChangesIsNotLeftOut()
    {
        NetworkArchitecture.Register("onnx_hooks", classes => nn.Sequential(
            ("conv", nn.Conv2d(3, 4, 3)), ("norm", nn.BatchNorm2d(4)), ("inner", nn.Sequential(("relu", nn.ReLU()))),
            ("twice", new Doubled()), ("end", End(classes))));
        using SharpnessAwareImageClassificationTransformer model = Make("onnx_hooks", new(3, 10, 10));
        using var folder = new TemporaryFolder();
        string path = folder.File("model.onnx");
        nn.Module<Tensor, Tensor> network = model.Classifier.Network;
        foreach ((string name, nn.Module module) in network.named_modules().Append(("", network)).ToArray())
        {
            var layer = (nn.Module<Tensor, Tensor>)module;
            var after = layer.register_forward_hook((_, _, output) => output * 2);
            var e = Assert.Throws<NotSupportedException>(() => model.SaveOnnx(path), name);
            after.remove();
            var before = layer.register_forward_pre_hook((_, input) => input * 2);
            Assert.Throws<NotSupportedException>(() => model.SaveOnnx(path), name);
            before.remove();
            Assert.Contains(name.Length == 0 ? "'onnx_hooks'" : $"'{name}' of network 'onnx_hooks'", e.Message);
            Assert.Contains("hook", e.Message);
            Assert.IsFalse(File.Exists(path));
        }

        model.SaveOnnx(path);

        AssertSame(model, path);
    }

    private static nn.Module<Tensor, Tensor> End(int classes) =>
        nn.Sequential(("one", nn.AdaptiveAvgPool2d(1)), ("flat", nn.Flatten()), ("fc", nn.Linear(4, classes)));

    private sealed class Skip(params nn.Module<Tensor, Tensor>[] layers) : Sequential(layers)
    {
        public override Tensor forward(Tensor input) => input + base.forward(input);
    }

    private sealed class Stem(int width) : Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.ReLU());

    private sealed class Halved(long channels) : BatchNorm(channels, 1e-5, 0.1, true, true, null, null, nameof(Halved))
    {
        public override Tensor forward(Tensor input) => base.forward(input) * 0.5;

        protected override void ValidateInputDimensions(Tensor input)
        {
        }
    }

    private class Doubled() : nn.Module<Tensor, Tensor>(nameof(Doubled)), IOnnxNetwork
    {
        public override Tensor forward(Tensor input) => input + input;

        public virtual OnnxValue Describe(OnnxNetworkGraph graph, OnnxValue input) => graph.Operator("Add", [input, input]);
    }

    private sealed class DoubledAgain : Doubled
    {
        public override Tensor forward(Tensor input) => base.forward(base.forward(input));
    }

    private sealed class DoubledAndDescribed : Doubled
    {
        public override Tensor forward(Tensor input) => base.forward(base.forward(input));

        public override OnnxValue Describe(OnnxNetworkGraph graph, OnnxValue input) => base.Describe(graph, base.Describe(graph, input));
    }

    /// <summary>Describes what derived classes compute.</summary>
    private abstract class Repeated(int times) : nn.Module<Tensor, Tensor>(nameof(Repeated)), IOnnxNetwork
    {
        public OnnxValue Describe(OnnxNetworkGraph graph, OnnxValue input) =>
            graph.Operator("Mul", [input, graph.Constant(tensor((float)times))]);
    }

    private sealed class Thrice() : Repeated(3)
    {
        public override Tensor forward(Tensor input) => input * 3;
    }

    /// <summary>Each channel's pixels as a sequence.</summary>
    private sealed class Sequences() : nn.Module<Tensor, Tensor>(nameof(Sequences)), IOnnxNetwork
    {
        public override Tensor forward(Tensor input) => input.flatten(2);

        public OnnxValue Describe(OnnxNetworkGraph graph, OnnxValue input) =>
            graph.Operator("Reshape", [input, graph.Vector(0, 0, -1)]);
    }

    /// <summary>Half of each channel's mean over its rows' softmax.</summary>
    private sealed class Means(object? axis = null) : nn.Module<Tensor, Tensor>(nameof(Means)), IOnnxNetwork
    {
        public override Tensor forward(Tensor input) => input.softmax(3).amax(new long[] { 2, 3 }) * 0.5f;

        public OnnxValue Describe(OnnxNetworkGraph graph, OnnxValue input)
        {
            OnnxValue rows = graph.Operator("Softmax", [input], ("axis", axis ?? 3));
            OnnxValue largest = graph.Operator("ReduceMax", [rows], ("axes", new long[] { 2, 3 }), ("keepdims", false));
            return graph.Operator("Mul", [largest, graph.Constant(0.5)]);
        }
    }

    private sealed class Pixels
    {
        [VectorType(3, 10, 10)]
        public byte[] Image { get; set; } = new byte[300];
    }

    private sealed class Own : nn.Module<Tensor, Tensor>, IOnnxNetwork
    {
        private readonly nn.Module<Tensor, Tensor> _first, _second, _head;

        public Own(int classes, bool describes)
            : base(nameof(Own))
        {
            Assert.IsTrue(describes);
            _first = nn.Sequential(nn.Conv2d(3, 6, 3, padding: 1), nn.BatchNorm2d(6), nn.ReLU());
            _second = nn.Conv2d(6, 6, 1);
            _head = nn.Linear(6, classes);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            Tensor first = _first.call(input);
            return _head.call(first.mul(_second.call(first).sigmoid()).mean([2, 3]));
        }

        public OnnxValue Describe(OnnxNetworkGraph graph, OnnxValue input)
        {
            OnnxValue first = graph.Layer(_first, input);
            OnnxValue gate = graph.Operator("Sigmoid", [graph.Layer(_second, first)]);
            OnnxValue mean = graph.Operator("GlobalAveragePool", [graph.Operator("Mul", [first, gate])]);
            return graph.Layer(_head, graph.Operator("Reshape", [mean, graph.Vector(0, -1)]));
        }
    }
}
