using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>How often the program waits for the GPU: once a pass, to read loss and norm.</summary>
[TestClass]
[TestCategory(DeviceUnderTest.Category)]
[NeedsCuda]
public sealed class HostSynchronizationTests
{
    private const int Steps = 5;

    [TestMethod]
    public void WaitsAreCounted()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor three = ones(3, device: DeviceUnderTest.Device);
        Assert.AreEqual(0, HostSynchronizations.Count(() => three.add_(1)));
        Assert.AreEqual(1, HostSynchronizations.Count(() => three.sum().item<float>()));
        Assert.AreEqual(2, HostSynchronizations.Count(() => { three.cpu(); three.sum().cpu(); }));
    }

    [TestMethod]
    public void AStepWaitsOnceAPass()
    {
        foreach (SharpnessAwareMethod method in AnyLoop.Methods)
        {
            foreach (BaseOptimizer baseOptimizer in new BaseOptimizer[] { new BaseOptimizer.Sgd(0.1), new BaseOptimizer.AdamW(0.01) })
            {
                using DisposeScope scope = NewDisposeScope();
                Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true).to(ScalarType.Float32).to(DeviceUnderTest.Device);
                using var optimizer = new SharpnessAwareOptimizer(net, method, baseOptimizer) { MaxGradientNorm = 1 };
                (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
                (images, labels) = (images.to(ScalarType.Float32).to(DeviceUnderTest.Device), labels.to(DeviceUnderTest.Device));
                void Step() => optimizer.Step(() => net.call(images), labels);
                Step();         // the first also looks whether the network leaves its input alone

                int passes = method.Rho == 0 ? 1 : 2;
                Assert.AreEqual(Steps * passes, HostSynchronizations.Count(() =>
                {
                    for (int t = 0; t < Steps; t++)
                        Step();
                }), $"{method} on {baseOptimizer}");
            }
        }
    }
}
