using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Every value's distance from its pixel's grey is multiplied by the strength. Only images of three channels have colours.
/// </summary>
internal sealed class AdjustSaturation : ColorOperation
{
    public override Tensor Apply(Tensor images, Tensor strength)
    {
        using var scope = NewDisposeScope();
        return images.shape[1] == 3 ? scope.MoveToOuter(Blend(images, Grey(images), strength)) : images;
    }
}
