using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>A small registered network with batch norm and dropout that counts the images that go through its backbone.</summary>
internal sealed class CountingNetwork : nn.Module<Tensor, Tensor>
{
    public const string Name = "counting-network";

    private readonly Conv2d _conv = nn.Conv2d(1, 6, 3, padding: 1);
    private readonly BatchNorm2d _norm = nn.BatchNorm2d(6);
    private readonly Dropout _dropout = nn.Dropout(0.2);
    private readonly Linear _classifier;

    public CountingNetwork(int classes)
        : base(nameof(CountingNetwork))
    {
        _classifier = nn.Linear(6 * 9, classes);
        RegisterComponents();
    }

    public static long Images { get; set; }

    /// <summary>Called in each pass.</summary>
    public static Action? Passed { get; set; }

    public static void Register() => NetworkArchitecture.Register(Name, classes => new CountingNetwork(classes));

    /// <summary>Registers it, and trains one on grey pictures of 16×16 for weights to start from.</summary>
    public static void SaveWeights(string path)
    {
        Register();
        var mlContext = new MLContext(1);
        using SharpnessAwareImageClassificationTransformer model = Fitted.Model(
            mlContext, Fitted.View(mlContext, Shapes.Encoded(30)), options =>
                (options.Arch, options.ImageWidth, options.ImageHeight, options.ImageChannels) = (Name, 16, 16, 1));
        model.SaveWeights(path);
    }

    public override Tensor forward(Tensor input)
    {
        Images += input.shape[0];
        Passed?.Invoke();
        Tensor features = nn.functional.adaptive_avg_pool2d(nn.functional.relu(_norm.call(_conv.call(input))), [3, 3]).flatten(1);
        return _classifier.call(_dropout.call(features));
    }
}
