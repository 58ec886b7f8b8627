using System.Collections.Concurrent;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The networks that can be trained, by name; names are not case-sensitive.</summary>
/// <remarks>
/// Networks start from random weights, drawn from torch's global generator, or from those of a file (<c>Options.InitialWeights</c>).
/// Sizes are trainable parameters at 3 channels and 10 classes (1,000 classes where noted); on a CPU the time of a step grows roughly
/// with size and image area.
/// </remarks>
public static class NetworkArchitecture
{
    /// <summary>ResNet of depth 8 for small images (He et al. 2016, section 4.2 with n = 1): 75,290 parameters. The quickest residual
    /// network, a good start on 28×28 and 32×32.</summary>
    public const string ResNet8 = "resnet8";

    /// <summary>ResNet of depth 20 for small images (n = 3): 269,722 parameters. The usual network of CIFAR-10 experiments.</summary>
    public const string ResNet20 = "resnet20";

    /// <summary>ResNet of depth 56 for small images (n = 9): 853,018 parameters.</summary>
    public const string ResNet56 = "resnet56";

    /// <summary>ResNet-18 (He et al. 2016), as torchvision's: 11,689,512 parameters at 1,000 classes. For photographs of about 64×64 and
    /// more; small images work but are reduced 32 times.</summary>
    public const string ResNet18 = "resnet18";

    /// <summary>ResNet-34, as torchvision's: 21,797,672 parameters at 1,000 classes.</summary>
    public const string ResNet34 = "resnet34";

    /// <summary>ResNet-50, as torchvision's: 25,557,032 parameters at 1,000 classes.</summary>
    public const string ResNet50 = "resnet50";

    /// <summary>
    /// The network of ML.NET's package Microsoft.ML.DnnImageFeaturizer.ResNet18, which brings weights trained on ImageNet: ResNet-18 with
    /// one block more in its last stage, 16,410,152 parameters at 1,000 classes. Images of at least 32×32, best 128×128 and more; see
    /// <see cref="PretrainedWeights"/>.
    /// </summary>
    public const string MLNetResNet18 = "mlnet_resnet18";

    /// <summary>WideResNet-28-10 (Zagoruyko and Komodakis 2016) for small images: 36,479,194 parameters. Wants a GPU.</summary>
    public const string WideResNet28x10 = "wideresnet28x10";

    /// <summary>Vision transformer, tiny (Touvron et al. 2021), as timm's: 5,717,416 parameters at 224×224 and 1,000 classes. Patches of
    /// 16×16 pixels, 4×4 for images smaller than 112×112; width and height must be multiples of the patch.</summary>
    public const string VitTiny = "vit_tiny";

    /// <summary>Vision transformer, small, as timm's: 22,050,664 parameters at 224×224 and 1,000 classes. Patches as
    /// <see cref="VitTiny"/>.</summary>
    public const string VitSmall = "vit_small";

    /// <summary>Three convolutions and a linear layer, for 28×28 to 64×64 (at least 4×4): 94,762 parameters. The fastest of
    /// all.</summary>
    public const string ConvNet = "convnet";

    /// <summary>
    /// No network but the choice of one, by what there is: the network of <c>Options.InitialWeights</c>, or <see cref="MLNetResNet18"/>
    /// where its weights lie beside the application and the images are files or MLImages; else <see cref="ResNet20"/> from random weights.
    /// </summary>
    public const string Auto = "auto";

    private static readonly BuiltInNetwork[] BuiltIn =
    [
        new(ResNet8, CifarResNet.Depth8, new(75_290, 10, Features: 64, PerChannel: 16 * 9)),
        new(ResNet20, CifarResNet.Depth20, new(269_722, 10, Features: 64, PerChannel: 16 * 9)),
        new(ResNet56, CifarResNet.Depth56, new(853_018, 10, Features: 64, PerChannel: 16 * 9)),
        new(ResNet18, ResNet.Depth18, new(11_689_512, 1000, Features: 512, PerChannel: 64 * 49)),
        new(ResNet34, ResNet.Depth34, new(21_797_672, 1000, Features: 512, PerChannel: 64 * 49)),
        new(ResNet50, ResNet.Depth50, new(25_557_032, 1000, Features: 2048, PerChannel: 64 * 49)),
        new(MLNetResNet18, ResNet.MLNetDepth18, new(16_410_152, 1000, Features: 512, PerChannel: 64 * 49)),
        new(WideResNet28x10, WideResNet.Depth28Width10, new(36_479_194, 10, Features: 640, PerChannel: 16 * 9)),
        new(VitTiny, VisionTransformer.Tiny, new(5_717_416, 1000, Features: 192, PerChannel: null)),
        new(VitSmall, VisionTransformer.Small, new(22_050_664, 1000, Features: 384, PerChannel: null)),
        new(ConvNet, static (numberOfClasses, input) => new SharpnessAware.ConvNet(numberOfClasses, input),
            new(94_762, 10, Features: 128, PerChannel: 32 * 9)),
    ];

    private const char ArgumentsFollow = ':';

    private static readonly ConcurrentDictionary<string, RegisteredNetwork> Registered = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>The names that can be used now: the built-in networks, then the registered ones in alphabetical order.</summary>
    public static IReadOnlyCollection<string> Names =>
        [.. BuiltIn.Select(network => network.Name), .. Registered.Keys.Order(StringComparer.OrdinalIgnoreCase)];

    /// <summary>
    /// Makes a network of your own available by name. A model that was trained with it stores the name, so register it under the same
    /// name before you load such a model.
    /// </summary>
    /// <param name="name">The name, not case-sensitive. Registering a name again replaces the earlier network; built-in names cannot be
    /// replaced.</param>
    /// <param name="create">Makes a new network for a number of classes. It maps images, float32 [batch, channels, height, width], to
    /// logits, [batch, classes] (no softmax), and must leave its input alone. Draw initial weights from torch's global generator, as
    /// TorchSharp's layers do, and training is reproducible. May be called from several threads.</param>
    /// <exception cref="ArgumentException">The name is empty or the name of a built-in network.</exception>
    public static void Register(string name, Func<int, nn.Module<Tensor, Tensor>> create)
    {
        ArgumentNullException.ThrowIfNull(create);
        Register(name, (classes, _, _) => create(classes), takesArguments: false);
    }

    /// <summary>Makes a network of your own available by name, one that is made for a shape of images.</summary>
    /// <param name="name">The name, as for a network that takes any images.</param>
    /// <param name="create">Makes a new network for a number of classes and images of so many channels, so high and so wide in pixels; see
    /// there for what the network must do. A model stores the shape, so that loading makes the network for the same one.</param>
    /// <example>
    /// <code>
    /// NetworkArchitecture.Register("mlp", (classes, channels, height, width) =>
    ///     nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, 128), nn.ReLU(), nn.Linear(128, classes)));
    /// </code>
    /// </example>
    /// <exception cref="ArgumentException">The name is empty or the name of a built-in network.</exception>
    public static void Register(string name, Func<int, int, int, int, nn.Module<Tensor, Tensor>> create)
    {
        ArgumentNullException.ThrowIfNull(create);
        Register(name, (classes, input, _) => create(classes, input.Channels, input.Height, input.Width), takesArguments: false);
    }

    /// <summary>Makes a family of networks available by name, one of which is chosen by a text of arguments.</summary>
    /// <param name="name">The name, as for a single network. The text follows it behind a colon: with the name <c>mlp</c>,
    /// <c>Options.Arch = "mlp:128"</c> gives the arguments <c>128</c>. A model stores name and arguments, so it is enough to register the
    /// family before you load it.</param>
    /// <param name="create">Makes a new network for a number of classes, the channels, height and width of the images, and the arguments,
    /// which are empty where none follow the name. Refuse what you do not know by an <see cref="ArgumentException"/>.</param>
    /// <exception cref="ArgumentException">The name is empty or the name of a built-in network.</exception>
    public static void Register(string name, Func<int, int, int, int, string, nn.Module<Tensor, Tensor>> create)
    {
        ArgumentNullException.ThrowIfNull(create);
        Register(
            name,
            (classes, input, arguments) => create(classes, input.Channels, input.Height, input.Width, arguments),
            takesArguments: true);
    }

    /// <summary>Whether the name is one of the built-in networks, which start from random weights.</summary>
    internal static bool IsBuiltIn(string name) => FindBuiltIn(name) is not null;

    internal static bool IsVisionTransformer(string? name) => name is not null && FindBuiltIn(name)?.Name is VitTiny or VitSmall;

    /// <summary>
    /// How many parameters a network of this name has at least, without making it: what a file claims can be compared with what it holds.
    /// </summary>
    /// <remarks>Exact for built-in networks. Of registered ones nothing is known but that a class takes a number; few classes are few
    /// numbers in any network.</remarks>
    internal static long LeastParameters(string name, int numberOfClasses, ImageShape input)
    {
        const int FewClasses = 10_000;
        return FindBuiltIn(name)?.Size.Parameters(numberOfClasses, input) ?? (numberOfClasses > FewClasses ? numberOfClasses : 0);
    }

    /// <summary>What speaks against a network for images of this shape, although it takes them; null where nothing does.</summary>
    internal static string? Advice(string name, ImageShape input)
    {
        const int Reduction = 32;
        int side = Math.Min(input.Height, input.Width);
        return side < Reduction && FindBuiltIn(name)?.Name is ResNet18 or ResNet34 or ResNet50 or MLNetResNet18
            ? $"Network '{name}' shrinks images {Reduction} times, and these have {input.Width}×{input.Height} pixels: where one side is " +
              $"below {Reduction}, its deeper layers see padding more than image, and weights trained on photographs are of little use. " +
                  $"Set {nameof(ResNet8)}, {nameof(ResNet20)} or {nameof(ConvNet)} as Arch, or a larger ImageWidth and ImageHeight."
            : null;
    }

    /// <summary>Makes a new network with random weights; the caller disposes it.</summary>
    /// <exception cref="ArgumentException">The name is unknown, or the network cannot take images of this shape.</exception>
    internal static nn.Module<Tensor, Tensor> Create(string name, int numberOfClasses, ImageShape input)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(numberOfClasses);
        if (input.Channels <= 0 || input.Height <= 0 || input.Width <= 0)
            throw new ArgumentOutOfRangeException(nameof(input), input, "Channels, height and width must be positive.");

        if (FindBuiltIn(name) is { } builtIn)
            return builtIn.Create(numberOfClasses, input);
        if (FindRegistered(name) is var (registered, arguments))
        {
            // What a network holds lives as long as it does, whoever's scope it is made in; a module lists neither buffers that are not
            // saved nor tensors in collections.
            using DisposeScope scope = NewDisposeScope();
            nn.Module<Tensor, Tensor> network = registered.Create(numberOfClasses, input, arguments)
                ?? throw new InvalidOperationException($"The function registered for network '{name}' returned null.");
            scope.Detach([.. scope.DisposablesView]);
            return network;
        }

        throw Unknown(name);
    }

    /// <summary>Whether there is such a network, without making it.</summary>
    /// <exception cref="ArgumentException">The name is unknown.</exception>
    internal static void CheckName(string name)
    {
        if (FindBuiltIn(name) is null && FindRegistered(name) is null)
            throw Unknown(name);
    }

    private static ArgumentException Unknown(string name) => new(
        $"There is no network '{name}'. Known names: {string.Join(", ", Names)}. " +
        $"Add your own with {nameof(NetworkArchitecture)}.{nameof(Register)}(name, create).", nameof(name));

    private static BuiltInNetwork? FindBuiltIn(string name) =>
        Array.Find(BuiltIn, network => network.Name.Equals(name, StringComparison.OrdinalIgnoreCase));

    private static void Register(string name, Func<int, ImageShape, string, nn.Module<Tensor, Tensor>> create, bool takesArguments)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        if (FindBuiltIn(name) is not null || name.Equals(Auto, StringComparison.OrdinalIgnoreCase))
            throw new ArgumentException($"'{name}' is a built-in network and cannot be replaced; choose another name.", nameof(name));
        Registered[name] = new RegisteredNetwork(create, takesArguments);
    }

    /// <summary>The network of a name, or of the part before the colon and what follows it.</summary>
    private static (RegisteredNetwork Network, string Arguments)? FindRegistered(string name)
    {
        if (Registered.TryGetValue(name, out RegisteredNetwork? network))
            return (network, "");
        int colon = name.IndexOf(ArgumentsFollow);
        return colon >= 0 && Registered.TryGetValue(name[..colon], out network) && network.TakesArguments
            ? (network, name[(colon + 1)..])
            : null;
    }

    private sealed record RegisteredNetwork(Func<int, ImageShape, string, nn.Module<Tensor, Tensor>> Create, bool TakesArguments);

    private sealed record BuiltInNetwork(string Name, Func<int, ImageShape, nn.Module<Tensor, Tensor>> Create, NetworkSize Size);
}
