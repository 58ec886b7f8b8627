using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Values, taken as bytes, lose their lowest bits. The strength is the step that is left: 1 for 8 bits, 2 for 7, 16 for 4.
/// </summary>
internal sealed class Posterize : ColorOperation
{
    public override Tensor Apply(Tensor images, Tensor strength)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(((images * FixedScalars.LargestByte).round_() / strength).floor_() * strength / FixedScalars.LargestByte);
    }
}
