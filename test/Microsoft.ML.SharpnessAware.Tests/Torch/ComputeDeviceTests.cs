namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Which device is taken: the options' before the context's.</summary>
[TestClass]
public sealed class ComputeDeviceTests
{
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void ANegativeGpuOfTheContextIsAnErrorAndNotTheCpu(bool fallsBack)
    {
        var mlContext = new MLContext(1) { GpuDeviceId = -1, FallbackToCpu = fallsBack };
        IDataView data = Fitted.View(mlContext, Shapes.Pixels(9));

        string message = Assert.ThrowsExactly<InvalidOperationException>(() => Fitted.Model(mlContext, data)).Message;

        StringAssert.Contains(message, "MLContext.GpuDeviceId is -1");
        StringAssert.Contains(message, "0 is the first GPU");
        Fitted.Model(mlContext, data, options => options.Device = "cpu").Dispose();
    }

    [TestMethod]
    public void ThereIsNoGpuBefore0ByNameEither()
    {
        foreach (string name in new[] { "cuda:-1", "cuda:", "cuda:1.5", "gpu" })
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => ComputeDevice.CheckName(name)).Message, $"'{name}'");
    }
}
