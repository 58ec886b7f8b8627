using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Every value's distance from the image's mean grey is multiplied by the strength.</summary>
internal sealed class AdjustContrast : ColorOperation
{
    private const int One = 1 << 20;

    public override Tensor Apply(Tensor images, Tensor strength)
    {
        using var scope = NewDisposeScope();
        Tensor grey = Grey(images);
        long pixels = grey.shape[2] * grey.shape[3];
        // A sum of whole numbers is the same in whatever order it is added up.
        using Scalar one = One.ToScalar(), all = ((double)One * pixels).ToScalar();
        Tensor mean = ((grey * one).round().to(int64).sum([1, 2, 3], keepdim: true).to(float64) / all).to(float32);
        return scope.MoveToOuter(Blend(images, mean, strength));
    }
}
