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
        Assert.ThrowsExactly<ArgumentNullException>(() =>
            NetworkArchitecture.Register("architecture-tests-null", (Func<int, nn.Module<Tensor, Tensor>>)null!));
    }

    [TestMethod]
    public void ARegisteredNetworkMayBeMadeForTheShapeOfTheImages()
    {
        const string Name = "architecture-tests-shape";
        NetworkArchitecture.Register(Name, (classes, channels, height, width) =>
            nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, classes)));
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(Name, 5, new(2, 7, 3));
        CollectionAssert.AreEqual(new long[] { 5, 42 }, network.parameters().First().shape);
    }

    [TestMethod]
    public void WhatFollowsTheColonIsForTheNetworkThatTakesArguments()
    {
        const string Name = "architecture-tests-family";
        NetworkArchitecture.Register(Name, (classes, channels, height, width, arguments) =>
            arguments is "" or "64"
                ? nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, arguments == "" ? 32 : 64), nn.Linear(64, classes))
                : throw new ArgumentException($"no width '{arguments}'"));
        foreach ((string name, long width) in new[] { (Name, 32L), ($"{Name}:", 32), ($"{Name.ToUpperInvariant()}:64", 64) })
        {
            using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(name, 5, Image);
            Assert.AreEqual(width, network.parameters().First().shape[0], name);
        }
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => NetworkArchitecture.Create($"{Name}:a:b", 5, Image)).Message, "'a:b'");

        // A colon in the name of a network without arguments is part of the name.
        NetworkArchitecture.Register("architecture-tests:single", classes => nn.Linear(1, classes));
        using (NetworkArchitecture.Create("architecture-tests:single", 2, Image))
        {
        }
        NetworkArchitecture.Register("architecture-tests-single", classes => nn.Linear(1, classes));
        Assert.ThrowsExactly<ArgumentException>(() => NetworkArchitecture.Create("architecture-tests-single:3", 2, Image));
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
