using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Runs a network so that a failure inside it says which network failed, on what input, and in which layer.</summary>
internal static class NetworkCall
{
    /// <summary>The network's output.</summary>
    /// <param name="network">The network.</param>
    /// <param name="architecture">Its name.</param>
    /// <param name="input">What it is given.</param>
    /// <param name="isShared">Whether other threads may run it, too. Then the layer is not looked for: what follows the pass through the
    /// network would meet theirs.</param>
    /// <exception cref="InvalidOperationException">The network threw; the inner exception is what it threw.</exception>
    public static Tensor Run(nn.Module<Tensor, Tensor> network, string architecture, Tensor input, bool isShared = false)
    {
        try
        {
            return network.call(input);
        }
        catch (Exception e) when (IsOfTheNetwork(e))
        {
            string layer = !isShared && FindLayer(network, input) is (string name, string type) ? $", in its layer '{name}' ({type})" : "";
            throw new InvalidOperationException(
                $"Network '{architecture}' cannot take an input of shape [{string.Join(", ", input.shape)}] (batch, channels, height, " +
                $"width){layer}: {WithoutFrames(e.Message)}", e);
        }
    }

    private static bool IsOfTheNetwork(Exception e) => e is ExternalException or ArgumentException or IndexOutOfRangeException
        or NullReferenceException or NotSupportedException or InvalidOperationException and not ObjectDisposedException;

    /// <summary>Runs it once more and follows it: the layer that was entered last and not left. Only <c>call()</c> can be
    /// followed.</summary>
    private static (string Name, string Type)? FindLayer(nn.Module<Tensor, Tensor> network, Tensor input)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGradient = no_grad();
        List<(string, string)> entered = [];
        List<Action> remove = [];
        foreach ((string name, nn.Module module) in network.named_modules())
        {
            if (module is not nn.Module<Tensor, Tensor> layer || ReferenceEquals(layer, network))
                continue;
            var before = layer.register_forward_pre_hook((_, x) =>
            {
                entered.Add((name, module.GetType().Name));
                return x;
            });
            var after = layer.register_forward_hook((_, _, output) =>
            {
                entered.RemoveAt(entered.Count - 1);
                return output;
            });
            remove.Add(before.remove);
            remove.Add(after.remove);
        }
        try
        {
            network.call(input);
            return null;        // it does not fail each time
        }
        catch (Exception e) when (IsOfTheNetwork(e))
        {
            return entered.Count > 0 ? entered[^1] : null;
        }
        finally
        {
            remove.ForEach(one => one());
        }
    }

    // libtorch appends where in its own code it was.
    private static string WithoutFrames(string message)
    {
        int frames = message.IndexOf("Exception raised from", StringComparison.Ordinal);
        return (frames >= 0 ? message[..frames] : message).Trim();
    }
}
