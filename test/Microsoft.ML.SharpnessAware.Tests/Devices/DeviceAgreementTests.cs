using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Every method gives the weights that it gives on the CPU.</summary>
[TestClass]
[TestCategory(DeviceUnderTest.Category)]
public sealed class DeviceAgreementTests
{
    private const int Steps = 20;

    public static IEnumerable<object[]> Runs =>
        from method in AnyLoop.Methods.Append(SharpnessAwareMethod.Sam(0.1) with { NormalizeAscent = false })
            .Append(SharpnessAwareMethod.Sam(0.3) with { Period = 3 })
        from baseOptimizer in DeviceRun.BaseOptimizers
        select new object[] { method, baseOptimizer };

    [TestMethod]
    [DynamicData(nameof(Runs))]
    public void TwentyStepsInFloat32AreThoseOfTheCpuInFloat64ToATenThousandth(SharpnessAwareMethod method, BaseOptimizer baseOptimizer) =>
        Agree(method, baseOptimizer, ScalarType.Float32, tolerance: 1e-4);

    [TestMethod]
    [DynamicData(nameof(Runs))]
    public void TwentyStepsInFloat64AreThoseOfTheCpu(SharpnessAwareMethod method, BaseOptimizer baseOptimizer) =>
        Agree(method, baseOptimizer, ScalarType.Float64, tolerance: 1e-10);

    [TestMethod]
    public void APassOfEachNetworkIsThatOfTheCpu()
    {
        DeviceUnderTest.ComputeInFullPrecision();
        foreach (string name in new[] { NetworkArchitecture.ResNet8, NetworkArchitecture.ResNet18, NetworkArchitecture.VitTiny })
        {
            using var scope = NewDisposeScope();
            manual_seed(1);
            using var network = NetworkArchitecture.Create(name, 10, new ImageShape(3, 32, 32));
            Layers.UseChannelsLast(network);
            network.eval();
            using var noGradient = no_grad();
            Tensor images = randn(4, 3, 32, 32);
            using var inDouble = NetworkArchitecture.Create(name, 10, new ImageShape(3, 32, 32)).to(ScalarType.Float64);
            inDouble.load_state_dict(network.state_dict());
            inDouble.eval();
            Tensor expected = inDouble.call(images.to(ScalarType.Float64));

            Tensor actual = network.to(DeviceUnderTest.Device).call(images.to(DeviceUnderTest.Device)).cpu();

            Assert.IsLessThan(1e-4, (actual - expected).abs().max().item<double>() / expected.abs().max().item<double>(), name);
        }
    }

    private static void Agree(SharpnessAwareMethod method, BaseOptimizer baseOptimizer, ScalarType type, double tolerance)
    {
        using var here = new DeviceRun(DeviceUnderTest.Device, type, method, baseOptimizer);
        using var there = new DeviceRun(CPU, ScalarType.Float64, method, baseOptimizer);
        double[] expected = [.. there.Steps(0, Steps), .. there.Values()], actual = [.. here.Steps(0, Steps), .. here.Values()];
        Assert.HasCount(expected.Length, actual);
        double greatest = expected.Zip(actual, (a, b) => Math.Abs(a - b) / Math.Max(1, Math.Abs(a))).Max();
        Assert.IsLessThan(tolerance, greatest, $"{method} on {baseOptimizer}");
    }
}
