using TorchSharp;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The few numbers that tensors meet again and again, as Scalars that live as long as the process.</summary>
/// <remarks>
/// A Scalar is a small native object. <c>tensor * 2</c> makes one that nobody holds while libtorch reads it: a collection at that moment
/// frees it, and the result is wrong or an error. So does <c>a + b</c>, with the 1 that it multiplies <c>b</c> by, inside TorchSharp. So
/// a number is one of these, or is held by <c>using Scalar</c> where it is used, and sums are written by <see cref="TensorArithmetic"/>;
/// BannedSymbols.txt makes the other ways an error.
/// </remarks>
internal static class FixedScalars
{
    public static readonly Scalar Zero = 0.ToScalar();
    public static readonly Scalar Half = 0.5.ToScalar();
    public static readonly Scalar One = 1.ToScalar();
    public static readonly Scalar Two = 2.ToScalar();
    public static readonly Scalar Four = 4.ToScalar();
    public static readonly Scalar Six = 6.ToScalar();

    /// <summary>255.</summary>
    public static readonly Scalar LargestByte = ((int)byte.MaxValue).ToScalar();
}
