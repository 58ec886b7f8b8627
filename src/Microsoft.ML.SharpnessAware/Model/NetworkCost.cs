using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>How much arithmetic a network is, counted and not measured: the same on every machine.</summary>
internal static class NetworkCost
{
    /// <summary>Multiplications and additions of one image's forward pass in convolutions and linear layers.</summary>
    public static double OfOneImage(ImageClassifier classifier)
    {
        double total = 0;
        List<Action> remove = [];
        foreach (nn.Module module in classifier.Network.modules())
        {
            if (module is Conv2d convolution)
            {
                long each = convolution.weight.numel() / convolution.weight.shape[0];
                var hook = convolution.register_forward_hook((_, _, output) => Count(output, each));
                remove.Add(hook.remove);
            }
            else if (module is Linear linear)
            {
                long each = linear.weight.shape[1];
                var hook = linear.register_forward_hook((_, _, output) => Count(output, each));
                remove.Add(hook.remove);
            }
        }

        try
        {
            using DisposeScope scope = NewDisposeScope();
            using IDisposable noGradient = no_grad();
            classifier.Network.eval();
            ImageShape shape = classifier.Shape;
            classifier.Run(zeros(1, shape.Channels, shape.Height, shape.Width, device: classifier.Device));
            return total;
        }
        finally
        {
            remove.ForEach(action => action());
        }

        Tensor Count(Tensor output, long each)
        {
            total += (double)output.numel() * each;
            return output;
        }
    }
}
