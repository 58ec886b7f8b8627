using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Weights after some steps, against the published optimiser classes run under PyTorch (Assets/README.md).</summary>
[TestClass]
public sealed class ReferenceTrajectoryTests
{
    private static readonly JsonElement[] Cases =
        [.. JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Assets", "optimizer_trajectories.json")))
            .RootElement.EnumerateArray()];

    public static IEnumerable<object[]> Names => Cases.Select(c => new object[] { c.GetProperty("case").GetProperty("name").GetString()! });

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void LossesAndWeightsAreThoseOfTheReference(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        JsonElement reference = Cases.Single(c => c.GetProperty("case").GetProperty("name").GetString() == name);
        JsonElement settings = reference.GetProperty("case");
        double Number(string key, double otherwise = 0) => settings.TryGetProperty(key, out JsonElement e) ? e.GetDouble() : otherwise;
        bool Switch(string key) => settings.TryGetProperty(key, out JsonElement e) && e.GetBoolean();

        var method = new SharpnessAwareMethod
        {
            Rho = Number("rho"),
            Adaptive = Switch("adaptive"),
            Renormalize = Switch("stable"),
            NormalizeAscent = !Switch("unnormalized"),
            Gamma = Number("gamma"),
        };
        BaseOptimizer baseOptimizer = settings.GetProperty("base").GetString() == "sgd"
            ? new BaseOptimizer.Sgd(Number("lr"), Number("momentum"), Number("wd"), Switch("nesterov")) { DecayBiasAndNorm = true }
            : new BaseOptimizer.AdamW(Number("lr"), WeightDecay: Number("wd")) { DecayBiasAndNorm = true };
        nn.Module<Tensor, Tensor> net = TestNets.ReferenceNet(Switch("bn"));
        using var optimizer = new SharpnessAwareOptimizer(net, method, baseOptimizer);

        int t = 0;
        foreach (JsonElement loss in reference.GetProperty("ascent_losses").EnumerateArray())
        {
            (Tensor images, Tensor labels) = TestNets.ReferenceBatch(t++);
            Assert.AreEqual(loss.GetDouble(), optimizer.Step(() => net.forward(images), labels), 1e-9, $"loss of step {t}");
        }

        Dictionary<string, Tensor> state = net.state_dict();
        foreach (JsonProperty final in reference.GetProperty("final").EnumerateObject())
        {
            double[] expected = [.. final.Value.EnumerateArray().Select(e => e.GetDouble())];
            double[] actual = [.. state[final.Name].reshape(-1).data<double>()];
            Assert.HasCount(expected.Length, actual);
            for (int i = 0; i < expected.Length; i++)
                Assert.AreEqual(expected[i], actual[i], 1e-9, $"{final.Name}[{i}]");
        }
        if (Switch("bn"))
            Assert.AreEqual(t, state["bn.num_batches_tracked"].item<long>());
    }
}
