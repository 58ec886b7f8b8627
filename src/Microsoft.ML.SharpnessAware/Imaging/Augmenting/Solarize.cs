using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Values from the strength on become their negative.</summary>
internal sealed class Solarize : ColorOperation
{
    public override Tensor Apply(Tensor images, Tensor strength)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(where(images >= strength, FixedScalars.One.Minus(images), images));
    }
}
