using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>
/// A registered network that learns nothing: in its n-th epoch it has the n-th accuracy of a script, on forty images that tell it their
/// class and number. The epoch is a buffer, so weights that are restored have the accuracy of their epoch.
/// </summary>
internal sealed class ScriptedNetwork : nn.Module<Tensor, Tensor>
{
    private const string Name = "scripted-network";
    private const int Images = 40;

    private readonly double[] _accuracies;
    private readonly Tensor _epoch = zeros(1);
    private readonly Linear _unused = nn.Linear(1, 2);

    private ScriptedNetwork(double[] accuracies)
        : base(nameof(ScriptedNetwork))
    {
        _accuracies = accuracies;
        RegisterComponents();
        register_buffer("epoch", _epoch);
    }

    public static void Register(double[] accuracies) => NetworkArchitecture.Register(Name, _ => new ScriptedNetwork(accuracies));

    /// <summary>Forty images of two classes.</summary>
    public static IDataView Rows(MLContext mlContext) => Fitted.View(mlContext, Enumerable.Range(0, Images).Select(i =>
        new FloatRow { Label = Shapes.Names[i % 2], Image = [.. Enumerable.Repeat(i % 2 * 128f + i, Shapes.Size * Shapes.Size)] }));

    public static void Configure(SharpnessAwareImageClassificationTrainer.Options options, IDataView validation, int epochs)
    {
        (options.Arch, options.Epoch, options.BatchSize, options.ValidationSet) = (Name, epochs, Images, validation);
        (options.Method, options.Normalization) = (SharpnessAwareMethod.Standard, PixelNormalization.Of([0], [1]));
        options.ImageChannels = 1;
    }

    public override Tensor forward(Tensor input)
    {
        if (training)
            _epoch.add_(1);
        int epoch = (int)_epoch.item<float>();
        Tensor value = (input.select(3, 0).select(2, 0).select(1, 0) * 255).round();
        Tensor label = value.ge(128), number = value - label.to(float32) * 128;
        Tensor right = number.lt(Math.Round(_accuracies[Math.Clamp(epoch - 1, 0, _accuracies.Length - 1)] * Images));
        Tensor predicted = label.eq(right);         // class 1 where it is 1 and right, or 0 and wrong
        Tensor logits = stack([predicted.logical_not(), predicted], dim: 1).to(float32) * 3;
        return training ? logits + _unused.call(zeros(input.shape[0], 1)) * 0 : logits;
    }
}
