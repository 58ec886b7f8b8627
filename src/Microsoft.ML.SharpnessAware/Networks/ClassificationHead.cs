using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A network's head: the last of its linear layers, which maps features to logits. Everything below it is the backbone.
/// </summary>
/// <param name="Name">The layer's name in the network, "fc" or "head" in the built-in ones.</param>
/// <param name="Layer">The layer, which stays the network's.</param>
internal sealed record ClassificationHead(string Name, Linear Layer)
{
    private const string TrainItWhole = "The trainer takes the network as it is where nothing is frozen and FineTuning is Full.";

    /// <summary>
    /// The last linear layer, in the order of registration, that has one output for each class; null where there is none.
    /// </summary>
    internal static ClassificationHead? Find(nn.Module network, int numberOfClasses) =>
        Linears(network, prefix: "").LastOrDefault(head => head.Layer.weight.shape[0] == numberOfClasses);

    /// <summary>As <see cref="Find"/>, where the head must be told from the backbone.</summary>
    /// <exception cref="InvalidOperationException">The network has no such layer.</exception>
    internal static ClassificationHead Of(nn.Module network, int numberOfClasses, string architecture) =>
        Find(network, numberOfClasses) ?? throw new InvalidOperationException(
            $"Network '{architecture}' has no head that could be treated differently from its backbone: no linear layer with " +
            $"{numberOfClasses} outputs, one for each class, is registered as a component. {TrainItWhole}");

    /// <summary>Whether a name of the network's state dictionary is one of the head's parameters.</summary>
    internal bool Owns(string name) => name == $"{Name}.weight" || name == $"{Name}.bias";

    /// <summary>
    /// Runs the network and returns what its head was given, [batch, features], detached. The head's own output is used only to check
    /// that nothing comes after it.
    /// </summary>
    /// <exception cref="InvalidOperationException">The network does not end with its head, so that features alone do not give its
    /// logits.</exception>
    internal Tensor Features(Func<Tensor, Tensor> network, Tensor images)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGradient = no_grad();
        Tensor? features = null;
        var hook = Layer.register_forward_pre_hook((_, input) =>
        {
            features = input.alias();
            return input;
        });
        try
        {
            Tensor logits = network(images);
            if (features?.dim() != 2 || !AreSame(Layer.forward(features), logits))
                throw NotTheEnd();
        }
        finally
        {
            hook.remove();
        }
        return features.MoveToOuterDisposeScope();
    }

    // Depth first, as the layers are written down; named_modules() names a module's own layers before theirs.
    private static IEnumerable<ClassificationHead> Linears(nn.Module module, string prefix)
    {
        foreach ((string name, nn.Module child) in module.named_children())
        {
            if (child is Linear linear)
                yield return new ClassificationHead(prefix + name, linear);
            foreach (ClassificationHead inner in Linears(child, $"{prefix}{name}."))
                yield return inner;
        }
    }

    private static bool AreSame(Tensor first, Tensor second) =>
        first.shape.SequenceEqual(second.shape) && first.allclose(second, rtol: 1e-4, atol: 1e-6, equal_nan: true);

    private InvalidOperationException NotTheEnd() => new(
        $"The network's head, the linear layer '{Name}', does not give its logits: something follows it, or it is not run by call() " +
        "(forward() passes over hooks). A network whose backbone is frozen must end with a linear layer that is called once, on [batch, " +
            $"features]. {TrainItWhole}");
}
