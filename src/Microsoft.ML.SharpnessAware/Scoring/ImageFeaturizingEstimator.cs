using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms.Image;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Makes an <see cref="ImageFeaturizingTransformer"/>: reads the weights, and of the data only the schema.</summary>
internal sealed class ImageFeaturizingEstimator : IEstimator<ImageFeaturizingTransformer>
{
    private const int ColorChannels = 3;

    // A network is made with a head, though nobody looks at it: of the fewest classes that there can be.
    private const int NumberOfClasses = 2;

    private readonly IHost _host;
    private readonly string _outputColumnName;
    private readonly string _inputColumnName;
    private readonly string? _architecture;
    private readonly string _path;
    private readonly ImageRequest _request;
    private readonly string? _device;

    public ImageFeaturizingEstimator(
        IHostEnvironment environment, string outputColumnName, string inputColumnName, string architecture, string weights,
            ImageRequest request, string? device)
    {
        _host = environment.Register(nameof(ImageFeaturizingEstimator));
        _outputColumnName = outputColumnName;
        _inputColumnName = inputColumnName;
        _architecture = architecture.Equals(NetworkArchitecture.Auto, StringComparison.OrdinalIgnoreCase) ? null : architecture;
        _path = FindWeights(_architecture ?? NetworkArchitecture.MLNetResNet18, weights, AppContext.BaseDirectory);
        _request = request;
        _device = device;
    }

    /// <summary>The file, before hours go into data that it is needed for.</summary>
    /// <exception cref="InvalidOperationException">None is named, and none lies in the folder.</exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="ArgumentException">Random weights are asked for.</exception>
    internal static string FindWeights(string architecture, string weights, string folder)
    {
        if (weights == PretrainedWeights.None)
            throw new ArgumentException("Features of random weights say little: name a file, or take PretrainedWeights.Auto.",
                nameof(weights));
        if (weights != PretrainedWeights.Auto)
        {
            return File.Exists(weights)
                ? weights
                : throw new FileNotFoundException($"{nameof(weights)} is '{weights}', and there is no such file.", weights);
        }

        if (PretrainedWeights.Find(architecture, folder) is string path)
            return path;
        throw new InvalidOperationException(
            architecture.Equals(NetworkArchitecture.MLNetResNet18, StringComparison.OrdinalIgnoreCase)
                ? $"No weights of '{architecture}' lie beside the application. Add the package to the application's own project, dotnet " +
                    $"add package {PackagedWeights.Package}, or give the path of a file of weights, {PackagedWeights.InPackage} of the " +
                    "package for one."
                : $"No package brings weights of '{architecture}': give the path of a file of weights, or take " +
                  $"'{NetworkArchitecture.MLNetResNet18}' and the package {PackagedWeights.Package}.");
    }

    /// <exception cref="ArgumentOutOfRangeException">The image column is missing or of a type that is not read.</exception>
    /// <exception cref="InvalidDataException">The file of weights cannot be used.</exception>
    /// <exception cref="InvalidOperationException">The weights are for other pixels, the network does not end with a linear layer, or the
    /// GPU that is asked for is not there.</exception>
    public ImageFeaturizingTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        using IChannel channel = _host.Start("Reading weights");
        DataViewType type = NamedColumn.Find(input.Schema, _inputColumnName, "image").Type;
        NativeBackend.EnsureLoaded();
        using InitialWeights weights = InitialWeights.Read(_host, _path, _architecture, InitialWeights.ForFeatures)!;
        ImageColumn images = Bind(input.Schema, type, weights);
        if (images.LayoutAssumed is string layout)
            channel.Info(layout);
        ImageClassifier network = CreateNetwork(weights, images, channel);
        try
        {
            var transformer = new ImageFeaturizingTransformer(_host, network, _outputColumnName, _inputColumnName);
            transformer.Try();
            channel.Info($"The {transformer.FeatureCount} features of an image are those of '{network.Architecture}' with the weights " +
                $"in '{_path}', at {network.Shape.Width} × {network.Shape.Height} pixels.");
            return transformer;
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <exception cref="ArgumentOutOfRangeException">The image column is missing or of a type that is not read.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        ImageColumn.Check(NamedColumn.Find(inputSchema, _inputColumnName, "image"));
        var columns = inputSchema.ToDictionary(each => each.Name);
        columns[_outputColumnName] = new SchemaShape.Column(
            _outputColumnName, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single, isKey: false);
        return new SchemaShape(columns.Values);
    }

    private ImageColumn Bind(DataViewSchema schema, DataViewType type, InitialWeights weights)
    {
        bool isResized = type is ImageDataViewType or VectorDataViewType { IsKnownSize: false };
        (int? width, int? height) = isResized ? weights.SizeFor(type, _request.Width, _request.Height) : (_request.Width, _request.Height);
        int? channels = weights.Channels ?? (isResized ? ColorChannels : null);
        return ImageColumn.Bind(
            schema, _inputColumnName, new ImageRequest(width, height, channels) { Resizing = _request.Resizing });
    }

    private ImageClassifier CreateNetwork(InitialWeights weights, ImageColumn images, IChannel channel)
    {
        string architecture = weights.Architecture!;
        ImageShape shape = images.Shape!.Value;
        PixelStatistics statistics = weights.StatisticsFor(images.PixelType.ToScalarType(), shape, channel)
            ?? throw new InvalidOperationException(
            images.PixelType == PixelType.Byte
                ? $"The file '{_path}' does not tell how the pixels were normalised that the weights were trained on, and without that " +
                    "its features mean nothing. A file that SaveWeights has written tells it."
                : $"Column '{images.Name}' holds float pixels, and the weights in '{_path}' were not trained on such: give bytes from 0 " +
                    "to 255 (ExtractPixels with outputAsFloatArray: false), image files or MLImages.");
        if (NetworkArchitecture.Advice(architecture, shape) is string advice)
            channel.Warning(advice);
        Device device = HostDevice.Choose(_host, _device);

        using DisposeScope scope = NewDisposeScope();
        using var random = new TorchRandom(seed: 0); // for the head, so that the same weights give the same file
        nn.Module<Tensor, Tensor> network = random.Draw(() => NetworkArchitecture.Create(architecture, NumberOfClasses, shape));
        weights.CopyTo(network, NumberOfClasses, shape, channel: null); // what it would tell is of the head
        network.to(device);
        network.eval();
        return new ImageClassifier(architecture, network, device, shape, images.PixelType.ToScalarType(),
            new Normalization(statistics, device), NumberOfClasses)
        {
            Resizing = images.Resizing,
        };
    }
}
