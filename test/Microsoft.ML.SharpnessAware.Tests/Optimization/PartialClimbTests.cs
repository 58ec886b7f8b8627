using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using static Microsoft.ML.SharpnessAware.Tests.AnyLoop;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Climbs along the gradient of a share of the mini-batch, and in some steps only.</summary>
[TestClass]
public sealed class PartialClimbTests : WithDisposeScope
{
    [TestMethod]
    public void AShareOrAPeriodOfOneIsTheFullMethodBitForBit()
    {
        foreach (SharpnessAwareMethod method in Methods)
        {
            double[] expected = TestNets.Train(method, Sgd, batchNorm: true);
            SharpnessAwareMethod same = method with { AscentShare = 1, Period = 1, LatePhase = 1 };
            CollectionAssert.AreEqual(expected, TestNets.Train(same, Sgd, batchNorm: true));
            CollectionAssert.AreEqual(expected, Train(same, (o, net, x, y) => o.Step(net.call, x, y), batchNorm: true));
            SharpnessAwareMethod never = method with { Period = int.MaxValue };
            double[] standard = TestNets.Train(SharpnessAwareMethod.Standard, Sgd, batchNorm: true);
            CollectionAssert.AreEqual(standard, TestNets.Train(never, Sgd, batchNorm: true));
            CollectionAssert.AreEqual(standard, TestNets.Train(method, Sgd, batchNorm: true, configure: o => o.Climbs = false));
        }
    }

    [TestMethod]
    public void EveryKthStepClimbsByRhoTimesK()
    {
        foreach (SharpnessAwareMethod method in Methods.Where(method => method.Rho > 0))
        {
            Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
            using var optimizer = new SharpnessAwareOptimizer(net, method with { Rho = 3 * method.Rho }, Sgd);
            for (int t = 0; t < 7; t++)
            {
                (Tensor x, Tensor y) = TestNets.ReferenceBatch(t);
                optimizer.Climbs = (t + 1) % 3 == 0;
                optimizer.Step(() => net.call(x), y);
            }
            CollectionAssert.AreEqual(TestNets.Values(net), TestNets.Train(method with { Period = 3 }, Sgd, steps: 7), $"{method}");
        }
    }

    [TestMethod]
    public void TheClimbsGradientMayBeThatOfAShare()
    {
        SharpnessAwareMethod method = SharpnessAwareMethod.Sam(0.3) with { AscentShare = 0.25 };
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true), twin = TestNets.ReferenceNet(batchNorm: true);
        using var optimizer = new SharpnessAwareOptimizer(net, method, new BaseOptimizer.Sgd(0.1, 0, 0)) { Seed = 5 };
        (Tensor x, Tensor y) = TestNets.ReferenceBatch(0);
        List<Tensor> seen = [];
        optimizer.Step(input =>
        {
            seen.Add(input.clone().DetachFromDisposeScope());
            return net.call(input);
        }, x, y);

        // Statistics of the whole batch at w, then two images, then the whole batch at w̃.
        CollectionAssert.AreEqual(new long[] { 8, 2, 8 }, seen.Select(input => input.shape[0]).ToArray());
        Assert.HasCount(2, Rows().Distinct().ToArray());
        Tensor rows = tensor(Rows());
        Tensor[] parameters = [.. twin.parameters()], w = [.. parameters.Select(p => p.detach().clone())];
        twin.call(x);
        foreach (string name in new[] { "bn.running_mean", "bn.running_var", "bn.num_batches_tracked" })
            Assert.IsTrue(TestNets.Same(net.state_dict()[name], twin.state_dict()[name]), name);
        Tensor[] g = Gradients(x.index_select(0, rows), y.index_select(0, rows));
        double norm = Math.Sqrt(g.Sum(one => one.square().sum().item<double>()));
        using (no_grad())
        {
            for (int k = 0; k < g.Length; k++)
                parameters[k].add_(g[k] * (0.3 / (norm + 1e-12)));
        }
        g = Gradients(x, y);
        Tensor[] trained = [.. net.parameters()];
        for (int k = 0; k < g.Length; k++)
            Assert.IsTrue((w[k] - (g[k] * 0.1)).allclose(trained[k], 0, 1e-12));

        // Without layers that have statistics two passes are enough; other steps draw others; the same seed draws the same.
        Module<Tensor, Tensor> plain = TestNets.ReferenceNet(batchNorm: false);
        using var second = new SharpnessAwareOptimizer(plain, method, Sgd) { Seed = 5 };
        seen.Clear();
        for (int t = 0; t < 20; t++)
        {
            second.Step(input =>
            {
                seen.Add(input.clone().DetachFromDisposeScope());
                return plain.call(input);
            }, x, y);
        }
        Assert.HasCount(40, seen);
        CollectionAssert.AreEqual(rows.data<long>().ToArray(), Rows());
        Assert.IsGreaterThan(5, seen.Where(input => input.shape[0] == 2).Select(input => input.sum().item<double>()).Distinct().Count());
        StringAssert.Contains(
            Assert.ThrowsExactly<InvalidOperationException>(() => second.Step(() => plain.call(x), y)).Message, "AscentShare");

        long[] Rows() => [.. Enumerable.Range(0, 8).Where(i => seen.First(input => input.shape[0] == 2)
            .sub(x[i]).abs().sum([1, 2, 3]).eq(0).any().item<bool>()).Select(i => (long)i)];

        Tensor[] Gradients(Tensor images, Tensor labels) =>
            [.. autograd.grad([functional.cross_entropy(twin.call(images), labels)], parameters)];
    }

    /// <summary>A training that is continued, on another machine or by a later version, draws the same shares.</summary>
    [TestMethod]
    public void WhichShareIsDrawnIsTheSameEverywhere()
    {
        SharpnessAwareMethod method = SharpnessAwareMethod.Sam(0.3) with { AscentShare = 0.25 };
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
        List<string> drawn = [];
        foreach (int seed in new[] { 5, -7 })
        {
            using var optimizer = new SharpnessAwareOptimizer(net, method, Sgd) { Seed = seed };
            (Tensor x, Tensor y) = TestNets.ReferenceBatch(0);
            for (int t = 0; t < 4; t++)
            {
                optimizer.Step(input =>
                {
                    if (input.shape[0] == 2)
                        drawn.Add(string.Join(' ', Enumerable.Range(0, 8).Where(i => input.sub(x[i]).abs().sum([1, 2, 3]).eq(0).any()
                            .item<bool>())));
                    return net.call(input);
                }, x, y);
            }
        }
        Assert.AreEqual("2 5, 4 5, 1 5, 0 7, 0 6, 1 5, 3 4, 5 6", string.Join(", ", drawn));
    }

    /// <summary>Before a share is drawn, which libtorch would fail at less clearly, and on a GPU end the process.</summary>
    [TestMethod]
    [DataRow(1.0)]
    [DataRow(0.25)]
    public void LabelsThatDoNotFitTheInputsAreRefusedByTheirShapesWithAShareToo(double share)
    {
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam() with { AscentShare = share }, Sgd);
        (Tensor x, Tensor y) = TestNets.ReferenceBatch(0);
        Tensor lambda = full(8, 0.4, float64), soft = functional.one_hot(y, 3).to(float64);
        double[] before = TestNets.Values(net);

        Refused(() => optimizer.Step(net.call, x, y.narrow(0, 0, 7)), "Int64 [7]");
        Refused(() => optimizer.Step(net.call, x, cat([y, y])), "Int64 [16]");
        Refused(() => optimizer.Step(net.call, x, soft.narrow(0, 0, 7)), "Float64 [7, 3]");
        Refused(() => optimizer.Step(net.call, x, y[0]), "Int64 []");
        Refused(() => optimizer.Step(net.call, x, y, y.narrow(0, 0, 7), lambda), "Int64 [7]");
        Refused(() => optimizer.Step(net.call, x, y, y, lambda.narrow(0, 0, 7)), "Float64 [7]");
        Refused(() => optimizer.Step(net.call, x, y, y, full([], 0.4, float64)), "Float64 []");
        Refused(() => optimizer.Step(net.call, x.narrow(0, 0, 0), y.narrow(0, 0, 0)), "Int64 [0]");

        void Refused(Action step, string shape)
        {
            string message = Assert.ThrowsExactly<ArgumentException>(step).Message;
            StringAssert.Contains(message, shape);
            CollectionAssert.AreEqual(before, TestNets.Values(net));
        }
    }

    [TestMethod]
    public void InputsOfAShareHaveADimensionOfSamples()
    {
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam() with { AscentShare = 0.5 }, Sgd);
        (Tensor x, Tensor y) = TestNets.ReferenceBatch(0);
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => optimizer.Step(input => net.call(x + input), tensor(0.0), y)).Message,
            "inputs are Float64 []");
    }

    [TestMethod]
    public void AShareHasAtLeastOneSampleAndMayBeOfMicroBatches()
    {
        SharpnessAwareMethod method = SharpnessAwareMethod.Csam(0.3) with { AscentShare = 0.01 };
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
        using var optimizer = new SharpnessAwareOptimizer(net, method, Sgd);
        (Tensor x, Tensor y) = TestNets.ReferenceBatch(0);
        List<long> counts = [];
        optimizer.Step(input =>
        {
            counts.Add(input.shape[0]);
            return net.call(input);
        }, x, y, y.roll(1, 0), full(8, 0.4, float64));
        CollectionAssert.AreEqual(new long[] { 1, 8 }, counts);

        int passes = 0;
        optimizer.Step(new[] { 0, 1, 2, 3 }.Select(i => new MicroBatch(
            () =>
            {
                passes++;
                return net.call(x.narrow(0, 2 * i, 2));
            }, y.narrow(0, 2 * i, 2))));
        Assert.AreEqual(5, passes);
    }

    [TestMethod]
    public void AMiniBatchOfOnePartClimbsAlongAllOfIt()
    {
        // Parts of two images; the last mini-batch of each epoch has two images and so one part, or one image.
        foreach (SharpnessAwareMethod method in Methods)
        {
            int passes = 0;
            double[] share = Epoch(method with { AscentShare = 0.5 }), all = Epoch(method);
            Assert.AreEqual(2 * (method.Rho > 0 ? 2 : 1) * 2, passes, $"{method}");
            CollectionAssert.AreEqual(all, share, $"{method}");

            double[] Epoch(SharpnessAwareMethod method) => Train(method, (o, net, x, y) =>
                o.Step(Parts(x.narrow(0, 0, 2), y, images => net.call(images), () => passes++)), batchNorm: true, steps: 2);
        }

        SharpnessAwareMethod half = SharpnessAwareMethod.Sam(0.3) with { AscentShare = 0.5 };
        Train(half, (o, net, x, y) =>
        {
            o.Step(Parts(x, y, net.call));
            return o.Step(Parts(x.narrow(0, 0, 2), y, net.call));
        });
        CollectionAssert.AreEqual(
            Train(half, (o, net, x, y) => o.Step(net.call, x.narrow(0, 0, 1), y.narrow(0, 0, 1))),
            Train(half with { AscentShare = 1 }, (o, net, x, y) => o.Step(() => net.call(x.narrow(0, 0, 1)), y.narrow(0, 0, 1))));
    }

    [TestMethod]
    public void PartsThatClimbByThemselvesRefuseAShareHoweverManyTheyAre()
    {
        foreach (int images in new[] { 2, 4 })
        {
            StringAssert.Contains(
                Assert.ThrowsExactly<InvalidOperationException>(() => Train(
                    SharpnessAwareMethod.Sam(0.3) with { AscentShare = 0.5 }, (o, net, x, y) =>
                        o.Step(Parts(x.narrow(0, 0, images), y, net.call), Ascent.PerMicroBatch))).Message, "AscentShare");
        }
    }

    [TestMethod]
    public void OnePartThatClimbsByItselfIsTheWholeMiniBatch()
    {
        foreach (SharpnessAwareMethod method in Methods.Append(SharpnessAwareMethod.Asam(0.3) with { Renormalize = true }))
        {
            foreach (bool batchNorm in new[] { false, true })
            {
                CollectionAssert.AreEqual(
                    Train(method, (o, net, x, y) => o.Step([new MicroBatch(() => net.call(x), y)]), batchNorm),
                    Train(method, (o, net, x, y) => o.Step([new MicroBatch(() => net.call(x), y)], Ascent.PerMicroBatch), batchNorm),
                    $"{method}");
            }
        }
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void NoPassKeepsTheActivationsOfAnother(bool inParts)
    {
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam() with { AscentShare = 0.5 }, Sgd);
        (Tensor x, Tensor y) = TestNets.ReferenceBatch(0);
        List<Tensor> activations = [];
        int most = 0;
        if (inParts)
            optimizer.Step(new[] { 0, 1, 2, 3 }.Select(i => new MicroBatch(() => Logits(x.narrow(0, 2 * i, 2)), y.narrow(0, 2 * i, 2))));
        else
            optimizer.Step(Logits, x, y);
        Assert.HasCount(inParts ? 10 : 3, activations);
        Assert.AreEqual(1, most, "at a time");

        Tensor Logits(Tensor images)
        {
            activations.Add(images.clone());
            most = Math.Max(most, activations.Count(tensor => !tensor.IsInvalid));
            return net.call(activations[^1]);
        }
    }

    [TestMethod]
    public void SharesPeriodsAndPhasesOutOfRangeAreRefusedAndOthersShown()
    {
        void Rejects(string name, Func<object> make) =>
            Assert.AreEqual(name, Assert.ThrowsExactly<ArgumentOutOfRangeException>(make).ParamName);
        foreach (double wrong in new[] { 0, -0.1, 1.1, double.NaN })
            Rejects("AscentShare", () => SharpnessAwareMethod.Standard with { AscentShare = wrong });
        Rejects("LatePhase", () => SharpnessAwareMethod.Standard with { LatePhase = 1.5 });
        Rejects("Period", () => SharpnessAwareMethod.Standard with { Period = 0 });
        Assert.AreEqual(
            "CSAM (ρ = 0.05, γ = 1, late phase 0.25, ascent share 0.5, period 5)",
            $"{SharpnessAwareMethod.Csam() with { LatePhase = 0.25, AscentShare = 0.5, Period = 5 }}");
        Assert.AreEqual(1, SharpnessAwareMethod.Sam().LatePhase);
    }

    /// <summary>Which would otherwise be ignored, since only the trainer knows where a training ends.</summary>
    [TestMethod]
    public void TheOptimizerAloneRefusesALatePhaseAndNamesTheSwitchThatItHas()
    {
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
        using var torchs = optim.SGD(net.parameters(), 0.1);
        foreach (double latePhase in new[] { 0, 0.25 })
        {
            SharpnessAwareMethod method = SharpnessAwareMethod.Sam() with { LatePhase = latePhase };
            foreach (Func<object> make in new Func<object>[]
                { () => new SharpnessAwareOptimizer(net, method, Sgd), () => new SharpnessAwareOptimizer(net, method, torchs) })
            {
                ArgumentException refused = Assert.ThrowsExactly<ArgumentException>(make);
                Assert.AreEqual("method", refused.ParamName);
                StringAssert.Contains(refused.Message, "set Climbs");
            }
        }
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
    }

    /// <summary>A mini-batch in parts of two images.</summary>
    private static IEnumerable<MicroBatch> Parts(Tensor x, Tensor y, Func<Tensor, Tensor> network, Action? onPass = null) =>
        from start in Enumerable.Range(0, (int)x.shape[0] / 2)
        select new MicroBatch(
            () =>
            {
                onPass?.Invoke();
                return network(x.narrow(0, 2 * start, 2));
            }, y.narrow(0, 2 * start, 2));
}
