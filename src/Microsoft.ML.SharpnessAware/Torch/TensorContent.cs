using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>What tensors hold, as a SHA-256 of names, types, shapes and values.</summary>
internal static class TensorContent
{
    /// <summary>The hash as hexadecimal text, whatever the order of the tensors and the device they are on.</summary>
    public static string Hash(IEnumerable<KeyValuePair<string, Tensor>> tensors)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach ((string name, Tensor value) in tensors.OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            using TorchSharp.DisposeScope scope = NewDisposeScope();
            hash.AppendData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{name} {Shape(value)}\n")));
            hash.AppendData(value.detach().cpu().contiguous().bytes);
        }
        return Convert.ToHexString(hash.GetHashAndReset());
    }

    /// <summary>Type and shape, such as <c>Float32 [3, 2]</c>.</summary>
    public static string Shape(Tensor value) => $"{value.dtype} " +
        $"[{string.Join(", ", value.shape.Select(side => side.ToString(CultureInfo.InvariantCulture)))}]";
}
