using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Data;

namespace MLSharpness.Evidence;

/// <summary>Data, network and everything about a training that the methods have in common.</summary>
/// <param name="Name">The name on the command line and in the CSV files.</param>
/// <param name="Load">Gives the images.</param>
/// <param name="Architecture">The network, a name of <see cref="NetworkArchitecture"/>.</param>
/// <param name="Epochs">How often the training images are seen.</param>
internal sealed record Setting(string Name, Func<DataFolder, ImageSplit> Load, string Architecture, int Epochs)
{
    public int BatchSize { get; init; } = 128;

    public BaseOptimizer Base { get; init; } = new BaseOptimizer.Sgd(LearningRate: 0.1);

    public Augmentation Augmentation { get; init; } = Augmentation.None;

    /// <summary>The radii among which the validation images choose.</summary>
    public IReadOnlyList<double> Radii { get; init; } = [0.05, 0.1, 0.2];

    /// <summary>Whether other losses and other γ are tried, too.</summary>
    public bool HasRivals { get; init; } = true;

    /// <summary>5,000 images without augmentation, so that a small network fits them all: then it becomes overconfident.</summary>
    public static Setting Fashion5000 { get; } = new(
        "fashion-5000", folder => folder.Fashion(5_000, 2_000), NetworkArchitecture.ResNet8, 30);

    /// <summary>The whole training part, in a smaller network, to stay within two hours.</summary>
    public static Setting Fashion60000 { get; } =
        new("fashion-60000", folder => folder.Fashion(55_000, 5_000), NetworkArchitecture.ConvNet, 2)
    {
        Radii = [0.05, 0.1],
    };

    /// <summary>All of it until the network has learnt it, which takes hours.</summary>
    public static Setting FashionWhole { get; } = new(
        "fashion-60000-resnet8", folder => folder.Fashion(55_000, 5_000), NetworkArchitecture.ResNet8, 30);

    public static Setting SignDigits { get; } = new("sign-digits", folder => folder.SignDigits(), NetworkArchitecture.ResNet8, 40)
    {
        BatchSize = 64,
    };

    /// <summary>
    /// Another network, another base optimiser. At 16×16 a vision transformer has 17 tokens, a third of what it has at 28×28, and it fits
    /// 500 images in 20 epochs.
    /// </summary>
    public static Setting FashionVit { get; } =
        new("fashion-500-vit-adamw", folder => folder.Fashion(500, 300, test: 2_000).Halved(border: 1), NetworkArchitecture.VitTiny, 20)
        {
            BatchSize = 16, Base = new BaseOptimizer.AdamW(LearningRate: 5e-4, WeightDecay: 0.05), HasRivals = false,
        };

    /// <summary>For label noise: fewer images and epochs than <see cref="Fashion5000"/>, to leave time for more runs.</summary>
    public static Setting Fashion2500 { get; } = Fashion5000 with { Name = "fashion-2500", Load = folder => folder.Fashion(
        2_500, 2_000), Epochs = 20 };

    /// <summary>For early stopping: few images, so that a network is soon too sure, and enough to validate on.</summary>
    public static Setting Fashion2000 { get; } = Fashion5000 with
    {
        Name = "fashion-2000", Load = folder => folder.Fashion(2_000, 1_000, test: 2_000), Architecture = NetworkArchitecture.ConvNet,
        Epochs = 20, BatchSize = 64,
    };

    /// <summary>For few images: small batches, so that there are enough steps.</summary>
    public static Setting FashionFew { get; } = Fashion5000 with { Name = "fashion-few", Epochs = 40, BatchSize = 32 };

    /// <summary>The smallest that becomes overconfident, for experiments with many methods: a training of half a minute.</summary>
    public static Setting FashionSmall { get; } = Fashion5000 with
    {
        Name = "fashion-1000-long", Load = folder => folder.Fashion(1_000, 500, test: 4_000), Epochs = 25, BatchSize = 32,
    };

    /// <summary>Another network on half as many images, for the same.</summary>
    public static Setting FashionSmallest { get; } = FashionSmall with
    {
        Name = "fashion-500-convnet", Load = folder => folder.Fashion(500, 500, test: 4_000), Architecture = NetworkArchitecture.ConvNet,
        Epochs = 30,
    };

    /// <summary>For stability: what happens at the beginning decides, so few images and epochs will do.</summary>
    public static Setting Fashion1000 { get; } =
        Fashion5000 with { Name = "fashion-1000", Load = folder => folder.Fashion(1_000, 2_000), Epochs = 10, BatchSize = 64 };

    /// <summary>The same by a network without batch norm, which nothing rescales.</summary>
    public static Setting Fashion1000Plain { get; } =
        Fashion1000 with { Name = "fashion-1000-plain", Architecture = PlainConvNet.Name };

    /// <summary>Pictures for a network that has learnt already: clothes, grey and unlike photographs of things.</summary>
    public static Setting FashionPictures { get; } =
        new("fashion-pictures", folder => folder.Fashion(10_000, 1_000, test: 500), NetworkArchitecture.MLNetResNet18, 10);

    /// <summary>Hands, of students who are not among those to train on.</summary>
    public static Setting SignPictures { get; } = FashionPictures with { Name = "sign-pictures", Load = folder => folder.SignDigits(100) };

    /// <summary>Things and animals like those that the network knows, but tiny.</summary>
    public static Setting CifarPictures { get; } = FashionPictures with { Name = "cifar-pictures", Load = folder => folder.AnyCifar10() };

    /// <summary>The same three for what is done with features that are kept, which is cheap: more pictures to test on.</summary>
    public static Setting FashionFeatures { get; } =
        FashionPictures with { Name = "fashion-features", Load = folder => folder.Fashion(2_500, 1_000, test: 1_000) };

    public static Setting SignFeatures { get; } = SignPictures with { Name = "sign-features" };

    public static Setting CifarFeatures { get; } = CifarPictures with
    {
        Name = "cifar-features", Load = folder =>
        {
            ImageSplit all = folder.AnyCifar10();
            return all with { Training = all.Training.Range(0, 2_500) };
        },
    };

    /// <summary>Hand signs in grey at 28×28: images that are unlike Fashion-MNIST's and look like them to a network.</summary>
    public static Setting SignGrey { get; } = SignDigits with { Name = "sign-grey", Load = folder => folder.SignDigits(28).Grey() };

    /// <summary>The papers' settings, for a GPU: 200 epochs, SGD 0.1, weight decay 5·10⁻⁴, flips and crops.</summary>
    public static Setting Cifar10ResNet56 { get; } = new("cifar10-resnet56", folder => folder.Cifar10(), NetworkArchitecture.ResNet56, 200)
    {
        Augmentation = Augmentation.Standard,
    };

    public static Setting Cifar10WideResNet { get; } =
        Cifar10ResNet56 with { Name = "cifar10-wideresnet28x10", Architecture = NetworkArchitecture.WideResNet28x10 };

    public static IReadOnlyList<Setting> All { get; } =
    [
        Fashion5000, Fashion60000, FashionWhole, SignDigits, FashionVit, Fashion2500, Fashion2000, Fashion1000, Fashion1000Plain,
        FashionFew, FashionSmall, FashionSmallest,
        ScoredModels.Setting, FashionPictures, SignPictures, CifarPictures, FashionFeatures,
        SignFeatures, CifarFeatures, SignGrey, Cifar10ResNet56, Cifar10WideResNet,
    ];

    /// <summary>The same, small enough for seconds.</summary>
    public Setting Smoke => this with
    {
        Load = folder => folder.Shipped(training: 256, validation: 128, test: 256), Architecture = NetworkArchitecture.ConvNet, Epochs = 2,
            BatchSize = 64,
        Augmentation = Augmentation.None, Radii = [0.05, 0.1],
    };

    public static Setting Named(string name) =>
        All.FirstOrDefault(setting => setting.Name == name)
        ?? throw new ArgumentException($"There is no setting '{name}'. Known: {string.Join(", ", All.Select(setting => setting.Name))}.");
}
