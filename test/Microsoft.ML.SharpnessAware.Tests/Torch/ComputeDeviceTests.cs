using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class ComputeDeviceTests
{
    [TestMethod]
    [DataRow(null)]
    [DataRow("cpu")]
    [DataRow("cuda")]
    [DataRow("cuda:0")]
    [DataRow("cuda:12")]
    public void NamesOfDevicesAreTakenWhetherTheyAreThereOrNot(string? name) => ComputeDevice.CheckName(name);

    [TestMethod]
    [DataRow("cuda:-1")]
    [DataRow("cuda:")]
    [DataRow("cuda:x")]
    [DataRow("cuda1")]
    [DataRow("cuda-1")]
    [DataRow("CUDA")]
    [DataRow("CUDA:1")]
    [DataRow("cpu:0")]
    public void OtherNamesAreRefused(string name) => StringAssert.Contains(
        Assert.ThrowsExactly<ArgumentException>(() => ComputeDevice.CheckName(name)).Message,
        $"Device is '{name}'; it must be 'cpu', 'cuda' or 'cuda:N'");

    [TestMethod]
    public void AGpuThatIsNotThereIsAnErrorThatSaysWhoAskedForItUnlessTheCpuWillDo()
    {
        if (cuda.is_available())
            Assert.Inconclusive("This machine has a GPU.");
        AssertRefused("cuda:1", gpuDeviceId: null, "Device is 'cuda:1', but no CUDA device is usable");
        AssertRefused(requested: null, gpuDeviceId: 3, "MLContext.GpuDeviceId is 3, but no CUDA device is usable");
        Assert.AreEqual(DeviceType.CPU, ComputeDevice.Choose("cuda:1", gpuDeviceId: null, fallBackToCpu: true).type);
        Assert.AreEqual(DeviceType.CPU, ComputeDevice.Choose(null, gpuDeviceId: 3, fallBackToCpu: true).type);
        Assert.AreEqual(DeviceType.CPU, ComputeDevice.Choose(null, gpuDeviceId: null, fallBackToCpu: false).type);
    }

    [TestMethod]
    public void TheDeviceOfTheOptionsGoesBeforeThatOfTheContext() =>
        Assert.AreEqual(DeviceType.CPU, ComputeDevice.Choose("cpu", gpuDeviceId: 99, fallBackToCpu: false).type);

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void ANegativeGpuOfTheContextIsAnErrorAndNotTheCpu(bool fallsBack)
    {
        var mlContext = new MLContext(1) { GpuDeviceId = -1, FallbackToCpu = fallsBack };
        IDataView data = Fitted.View(mlContext, Shapes.Pixels(9));

        string message = Assert.ThrowsExactly<InvalidOperationException>(
            () => Fitted.Model(mlContext, data, options => options.Device = null)).Message;

        StringAssert.Contains(message, "MLContext.GpuDeviceId is -1");
        StringAssert.Contains(message, "0 is the first GPU");
        Fitted.Model(mlContext, data, options => options.Device = "cpu").Dispose();
    }

    private static void AssertRefused(string? requested, int? gpuDeviceId, string words) => StringAssert.Contains(
        Assert.ThrowsExactly<InvalidOperationException>(() => ComputeDevice.Choose(requested, gpuDeviceId, fallBackToCpu: false)).Message,
        words);
}
