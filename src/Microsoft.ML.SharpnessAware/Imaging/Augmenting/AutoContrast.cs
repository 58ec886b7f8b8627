using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Each channel is stretched so that it runs from 0 to 1; one that never changes stays. The strength does not matter.</summary>
internal sealed class AutoContrast : ColorOperation
{
    public override Tensor Apply(Tensor images, Tensor strength)
    {
        using var scope = NewDisposeScope();
        Tensor low = images.amin([2, 3], keepdim: true);
        Tensor range = images.amax([2, 3], keepdim: true) - low;
        return scope.MoveToOuter(where(range > FixedScalars.Zero, (images - low) / range, images));
    }
}
