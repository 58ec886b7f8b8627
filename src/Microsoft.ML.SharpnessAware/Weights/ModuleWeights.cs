using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A module's parameters and buffers by name, as safetensors.</summary>
internal static class ModuleWeights
{
    /// <summary>The module's own tensors (not copies) under the names of its state dictionary: parameters, then buffers.</summary>
    internal static Dictionary<string, Tensor> Of(nn.Module module) => module.state_dict();

    /// <summary>Why they could not be saved: what is the matter with the first that cannot be written, a sentence; null where all can.
    /// </summary>
    internal static string? Obstacle(nn.Module module) =>
        Of(module).Select(entry => SafetensorsFile.Obstacle(entry.Key, entry.Value.dtype)).FirstOrDefault(obstacle => obstacle is not null);

    /// <summary>Writes all parameters and buffers; the stream stays open.</summary>
    internal static void Save(nn.Module module, Stream stream, IReadOnlyDictionary<string, string>? metadata = null) =>
        SafetensorsFile.Write(stream, Of(module), metadata);

    /// <summary>Reads a file that <see cref="Save"/> wrote, and copies it into the module.</summary>
    /// <inheritdoc cref="Load(nn.Module, IReadOnlyDictionary{string, Tensor})"/>
    internal static void Load(nn.Module module, Stream stream, long? length = null)
    {
        using DisposeScope scope = NewDisposeScope();
        Load(module, SafetensorsFile.Read(stream, length));
    }

    /// <summary>
    /// Copies the weights into the storage of the module's parameters and buffers, which may be views of a larger tensor.
    /// </summary>
    /// <exception cref="InvalidDataException">Names, shapes or types differ; all differences are listed, and the module is
    /// unchanged.</exception>
    internal static void Load(nn.Module module, IReadOnlyDictionary<string, Tensor> weights)
    {
        Dictionary<string, Tensor> own = Check(module, weights);
        using IDisposable noGradient = no_grad();
        foreach ((string name, Tensor tensor) in own)
            tensor.copy_(weights[name]);
    }

    /// <summary>Compares the weights with the module's own, which it returns.</summary>
    /// <exception cref="InvalidDataException">Names, shapes or types differ; all differences are listed.</exception>
    internal static Dictionary<string, Tensor> Check(nn.Module module, IReadOnlyDictionary<string, Tensor> weights)
    {
        Dictionary<string, Tensor> own = Of(module);
        string[] missing = [.. own.Keys.Where(name => !weights.ContainsKey(name))];
        string[] extra = [.. weights.Keys.Where(name => !own.ContainsKey(name))];
        string[] different =
        [
            .. from entry in own
               where weights.ContainsKey(entry.Key)
               let expected = Describe(entry.Value)
               let actual = Describe(weights[entry.Key])
               where expected != actual
               select $"{entry.Key} (the network has {expected}, the file {actual})",
        ];
        string[] contradictions = [.. TiedTensors.Contradictions(own, weights)];
        if (missing.Length + extra.Length + different.Length + contradictions.Length == 0)
            return own;

        var message = new StringBuilder("The weights do not fit the network.");
        Append("Missing", missing);
        Append("Not in the network", extra);
        Append("Of another shape or type", different);
        Append("One tensor in the network and different ones in the file", contradictions);
        throw new InvalidDataException(message.ToString());

        void Append(string title, string[] items)
        {
            if (items.Length > 0)
                message.Append($" {title}: {string.Join(", ", items)}.");
        }
    }

    private static string Describe(Tensor tensor) => $"{tensor.dtype} [{string.Join(", ", tensor.shape)}]";
}
