using System.Collections.Concurrent;
using TorchSharp;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Numbers in the arithmetic of tensors, kept for ever.</summary>
/// <remarks>
/// <c>tensor * 2</c> makes a Scalar that nobody holds while libtorch reads it: a collection at that moment frees it, and the result is wrong
/// or an error. So does <c>add(tensor)</c>, with the 1 that it multiplies by, inside TorchSharp. So a number that recurs is written <c>Constant.Of(2)</c>, and one that does not is held by <c>using Scalar</c>.
/// </remarks>
internal static class Constant
{
    private static readonly ConcurrentDictionary<double, Scalar> Floating = new();
    private static readonly ConcurrentDictionary<long, Scalar> Whole = new();

    public static Scalar Of(double value) => Floating.GetOrAdd(value, static value => value.ToScalar());

    public static Scalar Of(long value) => Whole.GetOrAdd(value, static value => value.ToScalar());
}
