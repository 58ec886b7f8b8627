using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Sums whose numbers are held; see <see cref="FixedScalars"/>.</summary>
internal static class TensorArithmetic
{
    /// <summary>left + right.</summary>
    public static Tensor Plus(this Tensor left, Tensor right) => left.add(right, FixedScalars.One);

    /// <summary>left + right.</summary>
    public static Tensor Plus(this Tensor left, Scalar right) => left.add(right, FixedScalars.One);

    /// <summary>left − right.</summary>
    public static Tensor Minus(this Scalar left, Tensor right)
    {
        using Tensor negative = right.negative();
        return negative.add(left, FixedScalars.One);
    }
}
