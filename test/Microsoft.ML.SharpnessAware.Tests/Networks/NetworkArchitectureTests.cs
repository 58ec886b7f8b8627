using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class NetworkArchitectureTests
{
    private static readonly ImageShape Image = new(3, 8, 8);

    [TestMethod]
    public void NamesListTheBuiltInNetworks()
    {
        CollectionAssert.IsSubsetOf(
            new[]
            {
                "resnet8", "resnet20", "resnet56", "resnet18", "resnet34", "resnet50",
                "wideresnet28x10", "vit_tiny", "vit_small", "convnet",
            },
            NetworkArchitecture.Names.ToArray());
    }

    [TestMethod]
    public void NamesAreNotCaseSensitive()
    {
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create("ResNet8", 2, Image);
        Assert.IsInstanceOfType<CifarResNet>(network);
    }

    [TestMethod]
    public void ARegisteredNetworkIsFoundByNameAndReplacedByTheNextOfThatName()
    {
        const string Name = "architecture-tests-own";
        NetworkArchitecture.Register(Name, classes => nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, classes)));
        using (nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(Name.ToUpperInvariant(), 5, Image))
            Assert.AreEqual(5, network.parameters().Last().shape[0]);
        CollectionAssert.Contains(NetworkArchitecture.Names.ToArray(), Name);

        NetworkArchitecture.Register(Name.ToUpperInvariant(), classes => nn.Linear(1, classes));
        using (nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(Name, 5, Image))
            Assert.IsInstanceOfType<TorchSharp.Modules.Linear>(network);
        Assert.AreEqual(1, NetworkArchitecture.Names.Count(name => name.Equals(Name, StringComparison.OrdinalIgnoreCase)));
    }

    [TestMethod]
    public void RegisteringFromManyThreadsLosesNothing()
    {
        Parallel.For(0, 200, i =>
        {
            NetworkArchitecture.Register($"architecture-tests-parallel-{i}", classes => nn.Linear(1, classes));
            _ = NetworkArchitecture.Names.Count;
        });
        Assert.AreEqual(
            200, NetworkArchitecture.Names.Count(name => name.StartsWith("architecture-tests-parallel-", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void BuiltInAndEmptyNamesAreRefused()
    {
        ArgumentException exception = Assert.ThrowsExactly<ArgumentException>(
            () => NetworkArchitecture.Register("ResNet18", classes => nn.Linear(1, classes)));
        StringAssert.Contains(exception.Message, "built-in");
        Assert.ThrowsExactly<ArgumentException>(() => NetworkArchitecture.Register(" ", classes => nn.Linear(1, classes)));
        Assert.ThrowsExactly<ArgumentNullException>(() => NetworkArchitecture.Register(null!, classes => nn.Linear(1, classes)));
        Assert.ThrowsExactly<ArgumentNullException>(() => NetworkArchitecture.Register("architecture-tests-null", null!));
    }

    [TestMethod]
    public void AnUnknownNameIsAnsweredWithTheKnownOnesAndHowToRegister()
    {
        ArgumentException exception = Assert.ThrowsExactly<ArgumentException>(() => NetworkArchitecture.Create("resnet19", 10, Image));
        StringAssert.Contains(exception.Message, "'resnet19'");
        StringAssert.Contains(exception.Message, "resnet18");
        StringAssert.Contains(exception.Message, "NetworkArchitecture.Register(");
    }

    [TestMethod]
    public void WrongNumbersAreRefused()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => NetworkArchitecture.Create("convnet", 0, Image));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => NetworkArchitecture.Create("convnet", 2, new(0, 8, 8)));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => NetworkArchitecture.Create("convnet", 2, new(3, 8, -1)));
    }

    [TestMethod]
    public void AFunctionThatReturnsNullIsNamed()
    {
        NetworkArchitecture.Register("architecture-tests-nothing", _ => null!);
        InvalidOperationException exception = Assert.ThrowsExactly<InvalidOperationException>(
            () => NetworkArchitecture.Create("architecture-tests-nothing", 2, Image));
        StringAssert.Contains(exception.Message, "architecture-tests-nothing");
    }
}
