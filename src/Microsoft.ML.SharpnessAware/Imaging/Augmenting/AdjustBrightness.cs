using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Every value is multiplied by the strength.</summary>
internal sealed class AdjustBrightness : ColorOperation
{
    public override Tensor Apply(Tensor images, Tensor strength) => images.mul(strength).clamp_(FixedScalars.Zero, FixedScalars.One);
}
