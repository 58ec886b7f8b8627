using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using LRScheduler = TorchSharp.torch.optim.lr_scheduler.LRScheduler;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Save and Load where the base optimiser is one of TorchSharp's, with and without its schedulers.</summary>
[TestClass]
public sealed class TorchOptimizerStateTests : WithDisposeScope
{
    private static readonly SharpnessAwareMethod Method = SharpnessAwareMethod.Ssam(0.3);

    public static IEnumerable<object[]> Optimizers =>
    [
        ["SGD", (Module<Tensor, Tensor> net) => (optim.Optimizer)optim.SGD(net.parameters(), 0.1, 0.9, weight_decay: 0.1)],
        ["NAdam", (Module<Tensor, Tensor> net) => (optim.Optimizer)optim.NAdam(net.parameters(), 0.01)],
        ["groups", (Module<Tensor, Tensor> net) => (optim.Optimizer)optim.AdamW(
        [
            new AdamW.ParamGroup(net.named_parameters().Where(p => IsHead(p.name)).Select(p => p.parameter), lr: 0.01),
            new AdamW.ParamGroup(net.named_parameters().Where(p => !IsHead(p.name)).Select(p => p.parameter), lr: 0.001),
        ])],
    ];

    public static IEnumerable<object[]> Schedulers =>
    [
        ["none", (optim.Optimizer _) => (LRScheduler?)null],
        ["step", (optim.Optimizer o) => optim.lr_scheduler.StepLR(o, 2, 0.5)],
        ["exponential", (optim.Optimizer o) => optim.lr_scheduler.ExponentialLR(o, 0.8)],
        ["cosine", (optim.Optimizer o) => optim.lr_scheduler.CosineAnnealingLR(o, 8)],
    ];

    public static IEnumerable<object[]> Pairs =>
        from optimizer in Optimizers from scheduler in Schedulers select (object[])[.. optimizer, .. scheduler];

    /// <summary>TorchSharp cannot save a scheduler: a new one is stepped as often as the old one was, before Load.</summary>
    [TestMethod]
    [DynamicData(nameof(Pairs))]
    public void AResumedRunIsBitIdentical(string _, Func<Module<Tensor, Tensor>, optim.Optimizer> make, string __,
        Func<optim.Optimizer, LRScheduler?> schedule)
    {
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true), resumed = TestNets.ReferenceNet(batchNorm: true);
        optim.Optimizer torchs = make(net), others = make(resumed);
        LRScheduler? scheduler = schedule(torchs), other = schedule(others);
        using var optimizer = new SharpnessAwareOptimizer(net, Method, torchs);
        Steps(net, optimizer, scheduler, 0, 3);

        resumed.load_state_dict(net.state_dict());
        for (int step = 0; step < 3; step++)
            other?.step();
        using var continued = new SharpnessAwareOptimizer(resumed, Method, others);
        continued.Load(new BinaryReader(new MemoryStream(TestNets.Saved(optimizer.Save))));
        CollectionAssert.AreEqual(Rates(torchs), Rates(others));

        Steps(net, optimizer, scheduler, 3, 7);
        Steps(resumed, continued, other, 3, 7);
        CollectionAssert.AreEqual(Rates(torchs), Rates(others));
        CollectionAssert.AreEqual(TestNets.Values(net), TestNets.Values(resumed));
        CollectionAssert.AreEqual(TestNets.Saved(optimizer.Save), TestNets.Saved(continued.Save));
    }

    [TestMethod]
    [DynamicData(nameof(Optimizers))]
    public void AStateThatEndsEarlyOrIsOfAnotherOptimizerChangesNothing(string _, Func<Module<Tensor, Tensor>, optim.Optimizer> make)
    {
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true), twin = TestNets.ReferenceNet(batchNorm: true);
        using var optimizer = new SharpnessAwareOptimizer(net, Method, make(net));
        using var further = new SharpnessAwareOptimizer(twin, Method, make(twin));
        Steps(net, optimizer, null, 0, 2);
        Steps(twin, further, null, 0, 5);
        byte[] before = TestNets.Saved(optimizer.Save), whole = TestNets.Saved(further.Save);
        for (int length = whole.Length - 1; length >= 0; length -= 23)
            Rejects(whole[..length], "ends early");
        Module<Tensor, Tensor> rms = TestNets.ReferenceNet(batchNorm: true);
        using var foreign = new SharpnessAwareOptimizer(rms, Method, optim.RMSProp(rms.parameters(), 0.1));
        Rejects(TestNets.Saved(foreign.Save), "base optimiser is 'RMSProp'");

        void Rejects(byte[] data, string message)
        {
            var e = Assert.ThrowsExactly<InvalidDataException>(() => optimizer.Load(new BinaryReader(new MemoryStream(data))));
            StringAssert.Contains(e.Message, message);
            CollectionAssert.AreEqual(before, TestNets.Saved(optimizer.Save));
        }
    }

    /// <summary>Before version 3 nothing told whether what TorchSharp had saved was whole.</summary>
    [TestMethod]
    [DynamicData(nameof(Optimizers))]
    public void AnEarlierStateIsReadAndWhereItIsDamagedRefused(string _, Func<Module<Tensor, Tensor>, optim.Optimizer> make)
    {
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true), twin = TestNets.ReferenceNet(batchNorm: true);
        optim.Optimizer torchs = make(twin);
        using var optimizer = new SharpnessAwareOptimizer(net, Method, make(net));
        using var further = new SharpnessAwareOptimizer(twin, Method, torchs);
        Steps(twin, further, null, 0, 5);
        byte[] earlier = Earlier(TestNets.Saved(further.Save), (OptimizerHelper)torchs, out int start);
        optimizer.Load(new BinaryReader(new MemoryStream(earlier)));
        CollectionAssert.AreEqual(TestNets.Saved(further.Save), TestNets.Saved(optimizer.Save));

        int refused = 0;
        for (int place = start; place < earlier.Length; place++)
        {
            byte[] damaged = [.. earlier], before = TestNets.Saved(optimizer.Save);
            damaged[place] ^= 0x80;
            try
            {
                optimizer.Load(new BinaryReader(new MemoryStream(damaged)));
            }
            catch (InvalidDataException)
            {
                refused++;
                CollectionAssert.AreEqual(before, TestNets.Saved(optimizer.Save));
            }
        }
        Assert.IsGreaterThan(10, refused);
    }

    [TestMethod]
    [DynamicData(nameof(Optimizers))]
    public void AnyDamageToWhatTorchSharpSavedIsRefusedAndChangesNothing(string _, Func<Module<Tensor, Tensor>, optim.Optimizer> make)
    {
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true);
        optim.Optimizer torchs = make(net);
        using var optimizer = new SharpnessAwareOptimizer(net, Method, torchs);
        Steps(net, optimizer, null, 0, 2);
        byte[] before = TestNets.Saved(optimizer.Save);
        Earlier(before, (OptimizerHelper)torchs, out int start);
        for (int place = start; place < before.Length; place += 11)
        {
            byte[] damaged = [.. before];
            damaged[place] ^= 1;
            Assert.ThrowsExactly<InvalidDataException>(() => optimizer.Load(new BinaryReader(new MemoryStream(damaged))), $"{place}");
            CollectionAssert.AreEqual(before, TestNets.Saved(optimizer.Save));
        }
    }

    [TestMethod]
    public void StateOfOtherGroupsOfTheSameOptimizerIsRefused()
    {
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true), twin = TestNets.ReferenceNet(batchNorm: true);
        using var one = new SharpnessAwareOptimizer(net, Method, optim.AdamW(net.parameters(), 0.01));
        var make = (Func<Module<Tensor, Tensor>, optim.Optimizer>)Optimizers.Last()[1];
        using var two = new SharpnessAwareOptimizer(twin, Method, make(twin));
        byte[] before = TestNets.Saved(one.Save);
        var e = Assert.ThrowsExactly<InvalidDataException>(() => one.Load(new BinaryReader(new MemoryStream(TestNets.Saved(two.Save)))));
        StringAssert.Contains(e.Message, "parameter groups");
        CollectionAssert.AreEqual(before, TestNets.Saved(one.Save));
    }

    [TestMethod]
    public void AnOptimizerWhoseStateTorchSharpCannotSaveWritesNothing()
    {
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true);
        using var optimizer = new SharpnessAwareOptimizer(net, Method, new Unsaved());
        using var stream = new MemoryStream();
        StringAssert.Contains(
            Assert.ThrowsExactly<NotSupportedException>(() => optimizer.Save(new BinaryWriter(stream))).Message, "cannot be saved");
        Assert.AreEqual(0, stream.Length);
    }

    private static bool IsHead(string name) => name.StartsWith("fc", StringComparison.Ordinal);

    private static void Steps(Module<Tensor, Tensor> net, SharpnessAwareOptimizer optimizer, LRScheduler? scheduler,
        int from, int to)
    {
        for (int t = from; t < to; t++)
        {
            (Tensor x, Tensor y) = TestNets.ReferenceBatch(t);
            optimizer.Step(() => net.call(x), y);
            scheduler?.step();
        }
    }

    private static double[] Rates(optim.Optimizer optimizer) => [.. optimizer.ParamGroups.Select(group => group.LearningRate)];

    /// <summary>A state as version 2 wrote it, and where TorchSharp's part of it starts.</summary>
    private static byte[] Earlier(byte[] saved, OptimizerHelper optimizer, out int start)
    {
        const int Version = 2, PlaceOfVersion = sizeof(uint), ChecksumAndLength = 32 + sizeof(int);
        using var stream = new MemoryStream();
        optimizer.save_state_dict(new BinaryWriter(stream));
        start = saved.Length - (int)stream.Length - ChecksumAndLength;
        byte[] earlier = [.. saved[..start], .. stream.ToArray()];
        BitConverter.GetBytes(Version).CopyTo(earlier, PlaceOfVersion);
        return earlier;
    }

    /// <summary>An optimiser of one's own that is not derived from what TorchSharp saves.</summary>
    private sealed class Unsaved() : optim.Optimizer(0)
    {
        public override IEnumerable<optim.ILearningRateController> ParamGroups => [new Rate()];
    }

    private sealed class Rate : optim.ILearningRateController
    {
        public double LearningRate { get; set; } = 0.1;

        public double InitialLearningRate { get; set; } = 0.1;
    }
}
