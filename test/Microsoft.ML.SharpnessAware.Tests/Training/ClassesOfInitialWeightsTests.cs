using Microsoft.ML.Data;
using TorchSharp;
using static TorchSharp.torch;
using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

/// <summary>Which class a row of a head is of is told by the names of the classes: MapValueToKey numbers them as they come.</summary>
[TestClass]
public sealed class ClassesOfInitialWeightsTests
{
    private static readonly TemporaryFolder Folder = new();
    private static readonly string[] OtherOrder = ["slanted", "across", "down"];
    private static readonly Dictionary<string, string> Files = [];
    private static readonly List<string> Log = [];
    private static readonly MLContext MLContext = new(1);
    private static SharpnessAwareImageClassificationTransformer _named = null!, _nameless = null!;

    [ClassInitialize]
    public static void Train(TestContext _)
    {
        MLContext.Log += (_, e) => Log.Add(e.Message);
        _named = Saved("named", Fitted.View(MLContext, Shapes.Pixels(60)));
        _nameless = Saved("nameless", Nameless());
        Saved("numbers", Named(["0", "1", "2"])).Dispose();
    }

    [ClassCleanup]
    public static void Clean()
    {
        _named.Dispose();
        _nameless.Dispose();
        Folder.Dispose();
    }

    [TestInitialize]
    public void ForgetLog() => Log.Clear();

    [TestMethod]
    [DataRow("named.zip", "whole")]
    [DataRow("named.safetensors", "whole")]
    [DataRow("named.zip", "frozen")]
    [DataRow("named.zip", "frozen at first")]
    [DataRow("named.zip", "slow")]
    public void RowsOfTheHeadGoWithTheNamesOfTheirClasses(string file, string what)
    {
        using SharpnessAwareImageClassificationTransformer model = Continued(Named(OtherOrder), file, options =>
        {
            options.FreezeBackbone = what == "frozen";
            options.BackboneLearningRateFactor = what == "slow" ? 0.1 : 1;
            (options.Epoch, options.FreezeEpochs) = what == "frozen at first" ? (2, 1) : (1, 0);
        });
        CollectionAssert.AreEqual(OtherOrder, model.ClassNames.ToArray());
        Dictionary<string, float[]> earlier = Head(_named), now = Head(model);
        foreach (string name in OtherOrder)
            CollectionAssert.AreEqual(earlier[name], now[name], name);
        AssertLogged("has the data's classes in another order");
    }

    [TestMethod]
    public void NothingIsSaidWhereTheOrderIsTheSame()
    {
        using SharpnessAwareImageClassificationTransformer model = Continued(Named(Shapes.Names), "named.zip");
        CollectionAssert.AreEqual(Head(_named)["down"], Head(model)["down"]);
        Assert.IsFalse(Log.Any(message => message.Contains("head", StringComparison.Ordinal)), string.Join('\n', Log));
    }

    [TestMethod]
    [DataRow("named.zip")]
    [DataRow("named.safetensors")]
    public void AHeadOfOtherClassesStartsFromRandomWeights(string file)
    {
        using SharpnessAwareImageClassificationTransformer model = Continued(Named(["across", "bird", "down"]), file);
        Dictionary<string, float[]> earlier = Head(_named), now = Head(model);
        CollectionAssert.AreNotEqual(earlier["across"], now["across"]);
        CollectionAssert.AreNotEqual(earlier["down"], now["down"]);
        CollectionAssert.AreEqual(Parameter(_named, "conv3.weight"), Parameter(model, "conv3.weight"));
        AssertLogged("The file's head 'fc' is of other classes: the data has the class 'bird', which is none of 'across', 'down', " +
            "'slanted'. It starts from random weights.");
    }

    /// <summary>A model of digits knows nothing of fish.</summary>
    [TestMethod]
    [DataRow("numbers.zip")]
    [DataRow("numbers.safetensors")]
    public void AHeadOfNumbersIsNoneOfNames(string file)
    {
        Continued(Named(Shapes.Names), file).Dispose();
        AssertLogged("is none of '0', '1', '2'. It starts from random weights.");
    }

    [TestMethod]
    public void NumbersAreNamesToo()
    {
        IDataView data = MLContext.Data.LoadFromEnumerable(Shapes.Pixels(42).Select(row =>
            new NumberRow { Label = Array.IndexOf(Shapes.Names, row.Label) + 1, Image = row.Image }).Select(row =>
            new NumberRow { Label = row.Label % 3, Image = row.Image }));
        using SharpnessAwareImageClassificationTransformer
            expected = Continued(Named(["0", "1", "2"]), "numbers.zip"),
            model = Continued(MLContext.Transforms.Conversion.MapValueToKey("Label").Fit(data).Transform(data), "numbers.zip");
        CollectionAssert.AreEqual(new[] { "1", "2", "0" }, model.ClassNames.ToArray());
        foreach ((string name, float[] row) in Head(expected))
            CollectionAssert.AreEqual(row, Head(model)[name], name);
    }

    [TestMethod]
    [DataRow("nameless.zip", true)]
    [DataRow("nameless.safetensors", true)]
    [DataRow("named.zip", false)]
    [DataRow("named.safetensors", false)]
    public void WithoutNamesRowsStayWhereTheyAre(string file, bool dataHaveNames)
    {
        using SharpnessAwareImageClassificationTransformer model = Continued(dataHaveNames ? Named(OtherOrder) : Nameless(), file);
        SharpnessAwareImageClassificationTransformer earlier = dataHaveNames ? _nameless : _named;
        CollectionAssert.AreEqual(Parameter(earlier, "fc.weight"), Parameter(model, "fc.weight"));
        CollectionAssert.AreEqual(Parameter(earlier, "fc.bias"), Parameter(model, "fc.bias"));
    }

    /// <summary>Other programs may write something else by this name.</summary>
    [TestMethod]
    [DataRow("across, down, slanted")]
    [DataRow("""["across", "down"]""")]
    [DataRow("""["bird", "bird", "fish"]""")]
    [DataRow("""["bird", null, "fish"]""")]
    [DataRow("""[1, 2, 3]""")]
    [DataRow("""{"bird": 1}""")]
    [DataRow("null")]
    [DataRow("")]
    public void WhatIsNoListOfTheHeadsClassesIsNotTakenForTheirNames(string names)
    {
        using DisposeScope scope = NewDisposeScope();
        string path = Folder.File("other.safetensors");
        using (FileStream stream = File.Create(path))
        {
            SafetensorsFile.Write(stream, _named.Classifier.Network.state_dict(),
                new Dictionary<string, string> { ["class_names"] = names });
        }

        Files["other"] = path;
        using SharpnessAwareImageClassificationTransformer model = Continued(Named(OtherOrder), "other");
        CollectionAssert.AreEqual(Parameter(_named, "fc.weight"), Parameter(model, "fc.weight"));
    }

    private static SharpnessAwareImageClassificationTransformer Saved(string name, IDataView data)
    {
        SharpnessAwareImageClassificationTransformer model =
            Fitted.Model(MLContext, data, options => options.Arch = NetworkArchitecture.ConvNet);
        foreach (string file in new[] { $"{name}.zip", $"{name}.safetensors" })
            Files[file] = Folder.File(file);
        model.SaveWeights(Files[$"{name}.safetensors"]);
        MLContext.Model.Save(model, data.Schema, Files[$"{name}.zip"]);
        return model;
    }

    /// <summary>A model of epochs that learn nothing, so that it has the weights that it started from.</summary>
    private static SharpnessAwareImageClassificationTransformer Continued(IDataView data, string file, Action<Options>? change = null) =>
        Fitted.Model(MLContext, data, options =>
        {
            (options.Arch, options.InitialWeights, options.FineTuning) = (NetworkArchitecture.ConvNet, Files[file], FineTuning.Full);
            (options.Epoch, options.BaseOptimizer, options.ValidationSetFraction) = (1, new BaseOptimizer.Sgd(0), null);
            change?.Invoke(options);
        });

    /// <summary>Keys in the order of the names, which is that of their first rows.</summary>
    private static IDataView Named(string[] names)
    {
        IDataView data = MLContext.Data.LoadFromEnumerable(Shapes.Pixels(42).Select((row, i) =>
            new PixelRow { Label = names[i % 3], Image = row.Image }));
        return MLContext.Transforms.Conversion.MapValueToKey("Label").Fit(data).Transform(data);
    }

    private static IDataView Nameless() => MLContext.Data.LoadFromEnumerable(Shapes.Pixels(42).Select((row, i) =>
        new NamelessRow { Label = (uint)(i % 3), Image = row.Image }));

    /// <summary>The row of each class, its bias at the end.</summary>
    private static Dictionary<string, float[]> Head(SharpnessAwareImageClassificationTransformer model)
    {
        float[] weight = Parameter(model, "fc.weight"), bias = Parameter(model, "fc.bias");
        int features = weight.Length / bias.Length;
        return model.ClassNames.Index().ToDictionary(each => each.Item,
            each => (float[])[.. weight.AsSpan(each.Index * features, features), bias[each.Index]]);
    }

    private static float[] Parameter(SharpnessAwareImageClassificationTransformer model, string name)
    {
        using DisposeScope scope = NewDisposeScope();
        return model.Classifier.Network.state_dict()[name].detach().contiguous().reshape(-1).data<float>().ToArray();
    }

    private static void AssertLogged(string text) =>
        Assert.IsTrue(Log.Any(message => message.Contains(text, StringComparison.Ordinal)), string.Join('\n', Log));

    private sealed class NumberRow
    {
        public float Label { get; set; }

        [VectorType(1, Shapes.Size, Shapes.Size)]
        public byte[] Image { get; set; } = [];
    }

    private sealed class NamelessRow
    {
        [KeyType(3)]
        public uint Label { get; set; }

        [VectorType(1, Shapes.Size, Shapes.Size)]
        public byte[] Image { get; set; } = [];
    }
}
