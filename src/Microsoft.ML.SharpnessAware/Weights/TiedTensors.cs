using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Tensors that a network has under several names: one layer used in two places.</summary>
internal static class TiedTensors
{
    /// <summary>The names of each tensor that has more than one, in the order of the state dictionary.</summary>
    public static IReadOnlyList<string[]> Of(IReadOnlyDictionary<string, Tensor> own)
    {
        var names = new Dictionary<Tensor, List<string>>(ReferenceEqualityComparer.Instance);
        foreach ((string name, Tensor tensor) in own)
        {
            if (!names.TryGetValue(tensor, out List<string>? all))
                names.Add(tensor, all = []);
            all.Add(name);
        }

        return [.. names.Values.Where(all => all.Count > 1).Select(all => all.ToArray())];
    }

    /// <summary>
    /// The weights with every name of a tensor that they have under one of its names at least, as safetensors' own save_model stores it.
    /// </summary>
    /// <param name="own">The network's tensors by name.</param>
    /// <param name="weights">The weights by name.</param>
    /// <param name="contradictions">Names under which the weights have one and the same tensor with different values.</param>
    public static IReadOnlyDictionary<string, Tensor> Complete(
        IReadOnlyDictionary<string, Tensor> own, IReadOnlyDictionary<string, Tensor> weights, out IReadOnlyList<string> contradictions)
    {
        List<string> found = [];
        contradictions = found;
        IReadOnlyList<string[]> ties = Of(own);
        if (ties.Count == 0)
            return weights;
        var complete = new Dictionary<string, Tensor>(weights);
        foreach (string[] names in ties)
        {
            string[] stored = Array.FindAll(names, weights.ContainsKey);
            foreach (string other in stored.Skip(1).Where(other => !AreSame(weights[stored[0]], weights[other])))
                found.Add($"{stored[0]} and {other}");
            foreach (string name in names.Where(name => stored.Length > 0 && !weights.ContainsKey(name)))
                complete.Add(name, weights[stored[0]]);
        }

        return complete;
    }

    private static bool AreSame(Tensor first, Tensor second) => first.dtype == second.dtype && first.shape.SequenceEqual(second.shape)
        && first.allclose(second, rtol: 0, atol: 0, equal_nan: true);
}
