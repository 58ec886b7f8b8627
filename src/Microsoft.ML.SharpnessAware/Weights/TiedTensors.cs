using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Tensors that a network has under several names: one layer, or one parameter, used in two places.</summary>
internal static class TiedTensors
{
    /// <summary>The names of each tensor that has more than one, in the order of the state dictionary.</summary>
    public static IReadOnlyList<string[]> Of(IReadOnlyDictionary<string, Tensor> own)
    {
        return [.. own.GroupBy(entry => TensorIdentity.Of(entry.Value), entry => entry.Key)
            .Select(names => names.ToArray()).Where(names => names.Length > 1)];
    }

    /// <summary>
    /// The weights with every name of a tensor that they have under one of its names at least, as safetensors' own save_model stores it.
    /// </summary>
    /// <param name="own">The network's tensors by name.</param>
    /// <param name="weights">The weights by name.</param>
    public static IReadOnlyDictionary<string, Tensor> Complete(
        IReadOnlyDictionary<string, Tensor> own, IReadOnlyDictionary<string, Tensor> weights)
    {
        IReadOnlyList<string[]> ties = Of(own);
        if (ties.Count == 0)
            return weights;
        var complete = new Dictionary<string, Tensor>(weights);
        foreach (string[] names in ties)
        {
            if (Array.Find(names, weights.ContainsKey) is not { } stored)
                continue;
            foreach (string name in names.Where(name => !weights.ContainsKey(name)))
                complete.Add(name, weights[stored]);
        }

        return complete;
    }

    /// <summary>Names under which the weights have one and the same tensor of the network with different values.</summary>
    /// <param name="own">The network's tensors by name.</param>
    /// <param name="weights">The weights by name.</param>
    public static IReadOnlyList<string> Contradictions(
        IReadOnlyDictionary<string, Tensor> own, IReadOnlyDictionary<string, Tensor> weights) =>
    [
        .. from names in Of(own)
           let stored = Array.FindAll(names, weights.ContainsKey)
           from other in stored.Skip(1)
           where !AreSame(weights[stored[0]], weights[other])
           select $"{stored[0]} and {other}",
    ];

    private static bool AreSame(Tensor first, Tensor second) => first.dtype == second.dtype && first.shape.SequenceEqual(second.shape)
        && first.allclose(second, rtol: 0, atol: 0, equal_nan: true);
}
