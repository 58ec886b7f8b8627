using System.CommandLine;
using Microsoft.ML.SharpnessAware;

namespace MLSharpness.Cli;

/// <summary>The options of a training, shared by train and compare.</summary>
internal sealed class TrainingOptions
{
    private readonly Option<string> _architecture = new("--arch")
    {
        Description = "Network: " + string.Join(", ", NetworkArchitecture.Names) + ".",
        DefaultValueFactory = _ => NetworkArchitecture.ResNet20,
    };

    private readonly Option<int> _epochs = NumberOption.AtLeast(1, "--epochs", "Passes over the training images.", 30);

    private readonly Option<int> _batchSize = NumberOption.AtLeast(1, "--batch", "Images in a mini-batch.", 64);

    private readonly Option<int> _size = NumberOption.AtLeast(1, "--size", "Side that images are scaled to, in pixels.", 64);

    private readonly Option<double> _learningRate =
        new("--learning-rate") { Description = "Peak learning rate.", DefaultValueFactory = _ => 0.05 };

    private readonly Option<double> _rho = new("--rho") { Description = "Radius ρ of the ascent.", DefaultValueFactory = _ => 0.05 };

    private readonly Option<double> _gamma = new("--gamma") { Description = "γ of CSAM, 0 to 2.", DefaultValueFactory = _ => 1 };

    private readonly Option<string?> _device = new("--device") { Description = "cpu, cuda or cuda:N (default: a GPU if there is one)." };

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _architecture, _epochs, _batchSize, _size, _learningRate, _rho, _gamma, _device })
            command.Options.Add(option);
    }

    public SharpnessAwareMethod Method(CommandContext context, string name) => name.ToLowerInvariant() switch
    {
        "sgd" or "standard" => SharpnessAwareMethod.Standard,
        "sam" => SharpnessAwareMethod.Sam(context.Value(_rho)),
        "ssam" => SharpnessAwareMethod.Ssam(context.Value(_rho)),
        "csam" => SharpnessAwareMethod.Csam(context.Value(_rho), context.Value(_gamma)),
        "asam" => SharpnessAwareMethod.Asam(context.Value(_rho)),
        _ => throw new ArgumentException($"There is no method '{name}'. Methods: sgd, sam, ssam, csam, asam."),
    };

    public SharpnessAwareImageClassificationTrainer.Options Read(CommandContext context, string method) => new()
    {
        FeatureColumnName = "Image",
        Method = Method(context, method),
        Arch = context.Value(_architecture),
        Epoch = context.Value(_epochs),
        BatchSize = context.Value(_batchSize),
        ImageWidth = context.Value(_size),
        ImageHeight = context.Value(_size),
        ImageChannels = 3,
        LearningRate = context.Value(_learningRate),
        Device = context.Value(_device),
        CancellationToken = context.Cancellation,
    };
}
