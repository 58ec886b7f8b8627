using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Every value's distance from its neighbourhood (itself five times and its eight neighbours, / 13) is multiplied by the strength. The
/// outermost pixels stay.
/// </summary>
internal sealed class AdjustSharpness : ColorOperation
{
    public override Tensor Apply(Tensor images, Tensor strength)
    {
        long height = images.shape[2] - 2, width = images.shape[3] - 2;
        if (height < 1 || width < 1)
            return images;
        using var scope = NewDisposeScope();
        using Scalar weights = 13.ToScalar();
        Tensor centre = Shifted(1, 1);
        Tensor sum = centre * FixedScalars.Four;
        for (int down = 0; down < 3; down++)
        {
            for (int right = 0; right < 3; right++)
                sum.add_(Shifted(down, right), FixedScalars.One);
        }

        Tensor result = images.clone();
        result.narrow(2, 1, height).narrow(3, 1, width).copy_(Blend(centre, sum / weights, strength));
        return scope.MoveToOuter(result);

        Tensor Shifted(int down, int right) => images.narrow(2, down, height).narrow(3, right, width);
    }
}
