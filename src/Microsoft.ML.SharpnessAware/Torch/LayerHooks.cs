using System.Collections;
using System.Reflection;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The forward hooks of a layer, of which TorchSharp tells only derived classes.</summary>
internal static class LayerHooks
{
    // Where a later TorchSharp has other names, no hooks are seen.
    private static readonly string[] Fields = ["pre_hooks", "post_hooks", "module_pre_hooks", "module_post_hooks"];

    /// <summary>The collections that the layer's hooks are in, now and later.</summary>
    public static ICollection[] Of(nn.Module layer)
    {
        Type? type = layer.GetType();
        while (type is not null && !(type.IsGenericType && type.GetGenericTypeDefinition() == typeof(nn.HookableModule<,>)))
            type = type.BaseType;
        return [.. Fields.Select(name => type?.GetField(name, BindingFlags.Instance | BindingFlags.NonPublic)?.GetValue(layer))
            .OfType<ICollection>()];
    }

    /// <summary>How many there are.</summary>
    public static int Count(nn.Module layer) => Of(layer).Sum(hooks => hooks.Count);
}
