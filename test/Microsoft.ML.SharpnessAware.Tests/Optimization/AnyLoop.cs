using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>A few steps of the reference network, by whatever way of taking a step.</summary>
internal static class AnyLoop
{
    public static readonly BaseOptimizer Sgd = new BaseOptimizer.Sgd(0.1);

    public static readonly SharpnessAwareMethod[] Methods =
    [
        SharpnessAwareMethod.Standard, SharpnessAwareMethod.Sam(0.3), SharpnessAwareMethod.Ssam(0.3), SharpnessAwareMethod.Asam(0.3),
        SharpnessAwareMethod.Csam(0.3), SharpnessAwareMethod.Csam(0.3, 2) with { Renormalize = true, Adaptive = true },
    ];

    public static double[] Train(
        SharpnessAwareMethod method, Func<SharpnessAwareOptimizer, Module<Tensor, Tensor>, Tensor, Tensor, double> step,
        bool batchNorm = false, ClassificationLoss? loss = null, BaseOptimizer? settings = null, int steps = 5)
    {
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm);
        using var optimizer = new SharpnessAwareOptimizer(net, method, settings ?? Sgd, loss);
        for (int t = 0; t < steps; t++)
        {
            (Tensor x, Tensor y) = TestNets.ReferenceBatch(t);
            step(optimizer, net, x, y);
        }
        return TestNets.Values(net);
    }
}
