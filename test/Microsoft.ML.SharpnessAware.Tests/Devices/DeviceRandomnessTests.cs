using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Random numbers that layers draw on a device.</summary>
[TestClass]
[TestCategory(DeviceUnderTest.Category)]
public sealed class DeviceRandomnessTests
{
    [TestMethod]
    public void BothPassesOfAStepSeeTheSameDropoutMaskAndTheNextStepAnother()
    {
        float[][] masks = Masks(seed: 1);

        CollectionAssert.AreEqual(masks[0], masks[1]);
        CollectionAssert.AreEqual(masks[2], masks[3]);
        CollectionAssert.AreNotEqual(masks[0], masks[2]);
        Assert.Contains(0f, masks[0]);
        Assert.Contains(2f, masks[0]);
    }

    [TestMethod]
    public void ASeedGivesTheSameMasksAgain()
    {
        float[][] first = Masks(seed: 5), again = Masks(seed: 5), other = Masks(seed: 6);
        for (int i = 0; i < first.Length; i++)
            CollectionAssert.AreEqual(first[i], again[i]);
        CollectionAssert.AreNotEqual(first[0], other[0]);
    }

    private static float[][] Masks(int seed)
    {
        using DisposeScope scope = NewDisposeScope();
        Device device = DeviceUnderTest.Device;
        random.manual_seed(seed).Dispose();
        Module<Tensor, Tensor> net = Linear(4, 3).to(device), dropout = Dropout(0.5);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), new BaseOptimizer.Sgd(0.1));
        List<float[]> masks = [];
        for (int t = 0; t < 2; t++)
        {
            optimizer.Step(() =>
            {
                Tensor mask = dropout.call(ones(8, 4, device: device));
                masks.Add([.. mask.cpu().data<float>()]);
                return net.call(mask);
            }, zeros(8, dtype: ScalarType.Int64, device: device));
        }
        return [.. masks];
    }
}
