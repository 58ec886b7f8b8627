using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>A network and a mini-batch to train it on.</summary>
internal sealed record StepSetting(string Architecture, int BatchSize, ImageShape Shape, int NumberOfClasses = 10)
{
    public static readonly StepSetting Small = new(NetworkArchitecture.ResNet8, 128, new(1, 28, 28));

    /// <summary>Those of the table of targets.</summary>
    public static readonly IReadOnlyList<StepSetting> All =
    [
        Small,
        new(NetworkArchitecture.ResNet8, 128, new(3, 32, 32)),
        new(NetworkArchitecture.ResNet20, 128, new(1, 28, 28)),
        new(NetworkArchitecture.ResNet20, 128, new(3, 32, 32)),
        new(NetworkArchitecture.VitTiny, 32, new(3, 32, 32)),
    ];

    public override string ToString() => $"{Architecture}, {BatchSize} of {Shape.Channels}×{Shape.Height}×{Shape.Width}";

    /// <summary>The network as the trainer makes it, in training mode.</summary>
    /// <param name="device">Where; null for the CPU.</param>
    public nn.Module<Tensor, Tensor> CreateNetwork(Device? device = null)
    {
        random.manual_seed(1);
        nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(Architecture, NumberOfClasses, Shape);
        Layers.UseChannelsLast(network);
        network.train();
        return network.to(device ?? CPU);
    }

    public (Tensor Images, Tensor Labels) CreateBatch(Device? device = null) => (
        randn([BatchSize, Shape.Channels, Shape.Height, Shape.Width], device: device),
        randint(NumberOfClasses, [BatchSize], dtype: ScalarType.Int64, device: device));
}
