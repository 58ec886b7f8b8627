using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

/// <summary>A network of one's own may hold buffers of any type: what can be trained can be saved.</summary>
[TestClass]
public sealed class StorableNetworkTests
{
    private const int LongestName = 1000;

    private static readonly MLContext MLContext = new(1);
    private static readonly IDataView Data = Fitted.View(MLContext, Shapes.Pixels(24));

    [TestMethod]
    [DataRow("complex", "'spectrum' is of type ComplexFloat32, which cannot be stored")]
    [DataRow("long", "has 1001 characters")]
    public void ABufferThatCannotBeStoredIsNamedBeforeTheNetworkLearns(string kind, string problem)
    {
        string name = $"storable_{kind}";
        NetworkArchitecture.Register(name, classes => kind == "complex"
            ? new Buffered(classes, "spectrum", zeros(3, ScalarType.ComplexFloat32))
            : new Buffered(classes, new string('b', LongestName + 1), zeros(3)));
        int epochs = 0;

        string message = Assert.ThrowsExactly<InvalidOperationException>(() => Fitted.Model(MLContext, Data, options =>
            (options.Arch, options.MetricsCallback) = (name, _ => epochs++))).Message;

        StringAssert.Contains(message, problem);
        StringAssert.Contains(message, $"'{name}'");
        StringAssert.Contains(message, "persistent: false");
        Assert.AreEqual(0, epochs);
    }

    [TestMethod]
    [DataRow(ScalarType.Int8, -128)]
    [DataRow(ScalarType.Int16, -32768)]
    public void BuffersOfSmallIntegersAreSavedWithTheModel(ScalarType type, int value)
    {
        string name = $"storable_{type}";
        NetworkArchitecture.Register(name, classes => new Buffered(classes, "places", full(3, value, type)));
        using SharpnessAwareImageClassificationTransformer model = Fitted.Model(MLContext, Data, options =>
            (options.Arch, options.Epoch) = (name, 1));
        using (IDisposable noGradient = no_grad())
            model.Classifier.Network.state_dict()["places"][0].zero_();
        using var file = new MemoryStream();

        MLContext.Model.Save(model, Data.Schema, file);
        using var loaded = (SharpnessAwareImageClassificationTransformer)MLContext.Model.Load(file, out _);

        using DisposeScope scope = NewDisposeScope();
        Tensor places = loaded.Classifier.Network.state_dict()["places"];
        Assert.AreEqual(type, places.dtype);
        CollectionAssert.AreEqual(new long[] { 0, value, value }, places.to(ScalarType.Int64).data<long>().ToArray());
    }

    private sealed class Buffered : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> _layers;

        public Buffered(int classes, string name, Tensor buffer)
            : base(nameof(Buffered))
        {
            _layers = nn.Sequential(nn.Flatten(), nn.Linear(Shapes.Size * Shapes.Size, classes));
            register_module("layers", _layers);
            register_buffer(name, buffer);
        }

        public override Tensor forward(Tensor input) => _layers.call(input);
    }
}
