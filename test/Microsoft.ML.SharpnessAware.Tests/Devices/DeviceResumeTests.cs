using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>A run that was stopped goes on as if it had not been, on the same device or on the other.</summary>
[TestClass]
[TestCategory(DeviceUnderTest.Category)]
public sealed class DeviceResumeTests
{
    // The backward passes of convolutions add in any order on a GPU.
    private static double Tolerance => DeviceUnderTest.IsCuda ? 1e-12 : 0;

    public static IEnumerable<object[]> Settings => DeviceRun.BaseOptimizers.Select(settings => new object[] { settings });

    [TestMethod]
    [DynamicData(nameof(Settings))]
    public void AStateThatWasSavedGoesOn(BaseOptimizer baseOptimizer)
    {
        foreach (SharpnessAwareMethod method in AnyLoop.Methods)
            GoesOn(method, baseOptimizer, DeviceUnderTest.Device, DeviceUnderTest.Device, Tolerance);
    }

    [TestMethod]
    [DynamicData(nameof(Settings))]
    public void AStateOfTheCpuGoesOnHereAndBack(BaseOptimizer baseOptimizer)
    {
        foreach (SharpnessAwareMethod method in AnyLoop.Methods)
        {
            GoesOn(method, baseOptimizer, CPU, DeviceUnderTest.Device, DeviceUnderTest.IsCuda ? 1e-10 : 0);
            GoesOn(method, baseOptimizer, DeviceUnderTest.Device, CPU, DeviceUnderTest.IsCuda ? 1e-10 : 0);
        }
    }

    private static void GoesOn(SharpnessAwareMethod method, BaseOptimizer baseOptimizer, Device from, Device to, double tolerance)
    {
        using var run = new DeviceRun(from, ScalarType.Float64, method, baseOptimizer);
        run.Steps(0, 10);
        using DeviceRun other = run.GoOn(to);
        double[] expected = [.. run.Steps(10, 20), .. run.Values()], actual = [.. other.Steps(10, 20), .. other.Values()];
        double greatest = expected.Zip(actual, (a, b) => Math.Abs(a - b) / Math.Max(1, Math.Abs(a))).Max();
        Assert.IsLessThanOrEqualTo(tolerance, greatest, $"{method} on {baseOptimizer}");
    }
}
