using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

/// <summary>What a network's modules hold beside their weights tells it from another one, wherever in a class it stands.</summary>
[TestClass]
public sealed class NetworkContentTests
{
    [TestMethod]
    public void SettingsOfModulesAreContentWhereverTheyAreDeclared()
    {
        AreDifferent(() => nn.BatchNorm2d(3, momentum: 0.1), () => nn.BatchNorm2d(3, momentum: 0.2));
        AreDifferent(() => nn.BatchNorm2d(3, eps: 1e-5), () => nn.BatchNorm2d(3, eps: 1e-4));
        AreDifferent(() => nn.Conv2d(3, 3, 3, dilation: 1), () => nn.Conv2d(3, 3, 3, dilation: 2));
        AreDifferent(() => nn.ReflectionPad2d(1), () => nn.ReflectionPad2d(2));
        AreDifferent(() => nn.Fold((4, 4), (2, 2)), () => nn.Fold((4, 4), (2, 1)));
        AreDifferent(() => nn.Sequential(nn.ReLU(), nn.Dropout(0.1)), () => nn.Sequential(nn.ReLU(), nn.Dropout(0.2)));
    }

    [TestMethod]
    public void WhatANetworkOfOnesOwnHoldsIsContent()
    {
        AreDifferent(() => new Own(), () => new Own { InBase = 2 });
        AreDifferent(() => new Own(), () => new Own { Rates = [0.1, 0.3] });
        AreDifferent(() => new Own(), () => new Own { Exact = 0.3m });
        AreDifferent(() => new Own(), () => new Own { Plan = new Plan(4) });
        AreDifferent(() => new Own(), () => new Own { Scale = new[] { 1.0, 3 } });
        AreDifferent(() => new Own(), () => new Own { Activation = Own.Twice(3) });
    }

    /// <summary>Weights are drawn at random and learn; mode and hooks are no settings; a class that the network belongs to is not one of
    /// its settings.</summary>
    [TestMethod]
    public void WeightsAndModeAreNoSettings()
    {
        using Own one = new(), other = new();
        other.eval();
        using (no_grad())
            other.Layers[0].weight!.add_(1);
        Assert.AreEqual(Text(one), Text(other));
    }

    /// <summary>Identities and times are other ones in each run.</summary>
    [TestMethod]
    public void WhatIsOtherInEachRunIsNoSetting()
    {
        using Own one = new(), other = new();
        Assert.AreNotEqual(one.Run.Id, other.Run.Id);
        Assert.AreEqual(Text(one), Text(other));
    }

    [TestMethod]
    public void ObjectsThatAllLeadToEachOtherAreReadOnceEach()
    {
        Node[] nodes = [.. Enumerable.Range(0, 8).Select(_ => new Node())];
        foreach (Node node in nodes)
            node.AddRange(nodes);
        using Own network = new() { Graph = nodes[0] };
        _ = Text(network);
        Assert.IsLessThanOrEqualTo(16 * nodes.Length, nodes.Sum(node => node.Reads));
    }

    /// <summary>What is met first where it is too deep to be read is read where it is met again.</summary>
    [TestMethod]
    public void WhatAnObjectHoldsIsContentByWhicheverWayItIsReached()
    {
        for (int length = 0; length < 20; length++)
        {
            AreDifferent(() => new Own { Graph = TwoWays(length, 3) }, () => new Own { Graph = TwoWays(length, 4) });
        }

        static object TwoWays(int length, int depth)
        {
            object end = new object[] { new Plan(depth) }, way = end;
            for (int i = 0; i < length; i++)
                way = new[] { way };
            return new[] { way, end };
        }
    }

    private static string Text(nn.Module network) => string.Join('\n', NetworkContent.Settings(network));

    private static void AreDifferent(Func<nn.Module> first, Func<nn.Module> second)
    {
        using nn.Module one = first(), same = first(), other = second();
        Assert.AreEqual(Text(one), Text(same));
        Assert.AreNotEqual(Text(one), Text(other), one.GetType().Name);
    }

    private abstract class Base() : nn.Module<Tensor, Tensor>(nameof(Own))
    {
        private int _inBase = 1;

        public int InBase
        {
            get => _inBase;
            init => _inBase = value;
        }
    }

    private sealed class Own : Base
    {
        public Own()
        {
            Layers = [nn.Linear(2, 2), nn.Linear(2, 2)];
            Parent = this;
        }

        public List<Linear> Layers { get; }

        public object Parent { get; }

        public List<double> Rates { get; init; } = [0.1, 0.2];

        public decimal Exact { get; init; } = 0.2m;

        public Plan Plan { get; init; } = new(3);

        public ReadOnlyMemory<double> Scale { get; init; } = new[] { 1.0, 2 };

        public Func<Tensor, Tensor> Activation { get; init; } = Twice(2);

        public Identity Run { get; } = new(Guid.NewGuid(), DateTime.Now.AddTicks(Random.Shared.Next()), DateTimeOffset.UtcNow);

        public object? Graph { get; init; }

        public static Func<Tensor, Tensor> Twice(double factor) => input => input * factor;

        public override Tensor forward(Tensor input) => Activation(Layers[0].call(input));
    }

    private sealed record Plan(int Depth);

    private sealed record Identity(Guid Id, DateTime Begun, DateTimeOffset? Seen);

    private sealed class Node : IReadOnlyCollection<Node>
    {
        private readonly List<Node> _neighbours = [];

        public int Reads { get; private set; }

        public int Count => _neighbours.Count;

        public void AddRange(IEnumerable<Node> nodes) => _neighbours.AddRange(nodes.Where(node => node != this));

        public IEnumerator<Node> GetEnumerator()
        {
            Reads++;
            return _neighbours.GetEnumerator();
        }

        System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
