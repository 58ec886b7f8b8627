using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class ModuleWeightsTests
{
    [TestMethod]
    [DataRow(NetworkArchitecture.ResNet8)]
    [DataRow(NetworkArchitecture.ConvNet)]
    [DataRow(NetworkArchitecture.VitTiny)]
    public void SavedWeightsGiveAnotherNetworkTheSameOutput(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using nn.Module<Tensor, Tensor> trained = NetworkArchitecture.Create(name, 4, new(3, 16, 16));
        using nn.Module<Tensor, Tensor> loaded = NetworkArchitecture.Create(name, 4, new(3, 16, 16));
        Tensor images = randn(2, 3, 16, 16);
        trained.call(images);
        trained.eval();
        loaded.eval();
        Tensor expected = trained.call(images);
        Assert.IsFalse(expected.allclose(loaded.call(images)));

        using Stream file = Saved(trained);
        ModuleWeights.Load(loaded, file);
        Assert.IsTrue(expected.eq(loaded.call(images)).all().item<bool>());
        Assert.IsTrue(loaded.parameters().All(parameter => parameter.requires_grad && parameter.is_leaf));
    }

    [TestMethod]
    public void TheFileHoldsParametersAndBuffersUnderTheirNames()
    {
        using DisposeScope scope = NewDisposeScope();
        using nn.Module network = nn.Sequential(("a", nn.Conv2d(3, 4, 1)), ("b", nn.BatchNorm2d(4)));
        using Stream file = Saved(network);
        CollectionAssert.AreEquivalent(
            new[] { "a.weight", "a.bias", "b.weight", "b.bias", "b.running_mean", "b.running_var", "b.num_batches_tracked" },
            SafetensorsFile.Read(file).Keys);
    }

    [TestMethod]
    public void LoadingWritesIntoTheStorageThatTheParametersShare()
    {
        using DisposeScope scope = NewDisposeScope();
        using Linear source = nn.Linear(2, 3), target = nn.Linear(2, 3);
        Tensor vector = zeros(9);
        using (no_grad())
        {
            target.weight.set_(vector.narrow(0, 0, 6).view(3, 2));
            target.bias!.set_(vector.narrow(0, 6, 3));
        }

        using Stream file = Saved(source);
        ModuleWeights.Load(target, file);
        Tensor expected = cat([source.weight.view(-1), source.bias!]);
        Assert.IsTrue(vector.eq(expected).all().item<bool>());
    }

    [TestMethod]
    public void AMismatchListsEveryDifferenceAndChangesNothing()
    {
        using DisposeScope scope = NewDisposeScope();
        using nn.Module file = nn.Sequential(
            ("same", nn.Linear(2, 2)), ("shape", nn.Linear(2, 5)), ("type", nn.Linear(1, 1).to(ScalarType.Float64)),
            ("extra1", nn.Linear(1, 1)), ("extra2", nn.Linear(1, 1)));
        using nn.Module module = nn.Sequential(
            ("same", nn.Linear(2, 2)), ("shape", nn.Linear(2, 3)), ("type", nn.Linear(1, 1)),
            ("missing1", nn.Linear(1, 1)), ("missing2", nn.Linear(1, 1)));
        var before = ModuleWeights.Of(module).ToDictionary(entry => entry.Key, entry => entry.Value.clone());

        using Stream stream = Saved(file);
        InvalidDataException exception = Assert.ThrowsExactly<InvalidDataException>(() => ModuleWeights.Load(module, stream));

        StringAssert.Contains(exception.Message, "Missing: missing1.weight, missing1.bias, missing2.weight, missing2.bias.");
        StringAssert.Contains(exception.Message, "Not in the network: extra1.weight, extra1.bias, extra2.weight, extra2.bias.");
        StringAssert.Contains(exception.Message, "shape.weight (the network has Float32 [3, 2], the file Float32 [5, 2])");
        StringAssert.Contains(exception.Message, "type.bias (the network has Float32 [1], the file Float64 [1])");
        Assert.IsFalse(exception.Message.Contains("same.", StringComparison.Ordinal));
        foreach ((string name, Tensor weight) in ModuleWeights.Of(module))
            Assert.IsTrue(weight.eq(before[name]).all().item<bool>(), name);
    }

    [TestMethod]
    public void ADamagedFileChangesNothingAndLeavesNoTensors()
    {
        using var module = nn.Linear(2, 2);
        using Tensor before = module.weight.clone();
        using var file = new MemoryStream();
        ModuleWeights.Save(module, file);
        using var damaged = new MemoryStream(file.ToArray()[..^1]);
        long live = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        Assert.ThrowsExactly<InvalidDataException>(() => ModuleWeights.Load(module, damaged));
        Assert.AreEqual(live, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        Assert.IsTrue(before.allclose(module.weight));
    }

    private static MemoryStream Saved(nn.Module module)
    {
        var stream = new MemoryStream();
        ModuleWeights.Save(module, stream);
        stream.Position = 0;
        return stream;
    }
}
