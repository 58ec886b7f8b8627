using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms.Image;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A file of weights, such as that of <c>Options.InitialWeights</c>, read: tensors by name, and what it tells of the pixels that they were
/// trained on.
/// </summary>
internal sealed class InitialWeights : IDisposable
{
    /// <summary>The argument that names the file of <c>FeaturizeImages</c>.</summary>
    public const string ForFeatures = "weights";

    private const int UsualSide = 128, UsualSideOfVit = 224;

    // Of normalisations for pictures: where they differ by more, one of them is for other numbers.
    private const double LargestRatio = 3, LargestShift = 0.25;

    private readonly Dictionary<string, Tensor> _tensors;
    private readonly PixelStatistics? _statistics;
    private readonly ImageShape? _madeFor;
    private readonly IReadOnlyList<string>? _classNames;
    private string _argument = nameof(InitialWeights);

    private InitialWeights(string path, Dictionary<string, Tensor> tensors, PixelStatistics? statistics, string? architecture,
        ImageShape? madeFor = null, IReadOnlyList<string>? classNames = null)
    {
        Path = path;
        _tensors = tensors;
        _statistics = statistics;
        _madeFor = madeFor;
        _classNames = classNames;
        Architecture = architecture;
        foreach (Tensor tensor in tensors.Values)
            tensor.DetachFromDisposeScope();
    }

    public string Path { get; }

    /// <summary>The network that they are of, where the file tells; else null.</summary>
    public string? Architecture { get; }

    /// <summary>The channels of the images that they were trained on, where that is known.</summary>
    public int? Channels => _statistics?.Mean.Count ?? (int?)PublishedNetwork.Stem(Shapes(_tensors))?[1];

    /// <summary>The size to bring pictures to: what was asked for, or the data has where the network can take that, or else what the
    /// weights were trained at, where their file tells it, or what is usual.</summary>
    /// <param name="pictures">The type of their column.</param>
    /// <param name="width">What was asked for; null for nothing. Height alone is width, too.</param>
    /// <param name="height">What was asked for.</param>
    public (int Width, int Height) SizeFor(DataViewType pictures, int? width, int? height)
    {
        ImageDataViewType? ofData = pictures is ImageDataViewType image && ((width ?? height) is not null || IsTaken(image)) ? image : null;
        int usual = IsVit ? UsualSideOfVit : UsualSide;
        return (width ?? Fixed(ofData?.Width) ?? height ?? _madeFor?.Width ?? usual,
            height ?? Fixed(ofData?.Height) ?? width ?? _madeFor?.Height ?? usual);

        static int? Fixed(int? length) => length > 0 ? length : null;
    }

    /// <summary>Reads a safetensors file, the weights in an ML.NET model file, or those in an ONNX file, whichever it is by
    /// content.</summary>
    /// <param name="env">For loading the model.</param>
    /// <param name="path">The file; null gives null.</param>
    /// <param name="architecture">The network that the model in an ML.NET or ONNX file must have; null where any will do.</param>
    /// <param name="argument">Who names the file, for messages.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is none of these, damaged, or of another network.</exception>
    public static InitialWeights? Read(IHostEnvironment env, string? path, string? architecture, string argument = nameof(InitialWeights))
    {
        if (path is null)
            return null;
        if (Directory.Exists(path))
            throw new InvalidDataException($"{argument} is '{path}', which is a folder; name a file in it.");
        if (!File.Exists(path))
            throw new FileNotFoundException($"{argument} is '{path}', and there is no such file.", path);
        using FileStream file = File.OpenRead(path);
        try
        {
            InitialWeights read = WeightsFormats.Recognise(file, path) switch
            {
                WeightsFormat.Zip => ReadModel(env, path, file, architecture),
                WeightsFormat.Onnx => ReadOnnx(path, file, architecture),
                _ => ReadSafetensors(path, file, architecture),
            };
            read._argument = argument;
            return read;
        }
        catch (Exception e) when (e is InvalidDataException or FormatException or EndOfStreamException)
        {
            throw Refused(argument, path, e);
        }
    }

    /// <summary>Copies the weights into a network and logs what was adjusted, where there is a channel.</summary>
    /// <param name="network">The network.</param>
    /// <param name="numberOfClasses">As many as it has outputs.</param>
    /// <param name="shape">The images that it was made for.</param>
    /// <param name="channel">Where to log; null for nowhere.</param>
    /// <param name="classNames">The names of the classes, with which the rows of the head go where the file has such, too; null where they
    /// have none.</param>
    /// <exception cref="InvalidDataException">They do not fit; all differences are listed.</exception>
    public void CopyTo(
        nn.Module network, int numberOfClasses, ImageShape shape, IChannel? channel, IReadOnlyList<string>? classNames = null)
    {
        try
        {
            IReadOnlyList<string> notes = WeightTransfer.Load(network, ClassificationHead.Find(network, numberOfClasses), shape, _tensors,
                Architecture, _madeFor, Compare(classNames, numberOfClasses));
            foreach (string note in notes)
                channel?.Info(note);
        }
        catch (InvalidDataException e)
        {
            throw Refused(_argument, Path, e);
        }
    }

    /// <summary>How classes differ from those of the file, or the place of each among these where they stand in another order; neither
    /// where they are the same, or one of them has no names.</summary>
    private (string? Difference, int[]? Places) Compare(IReadOnlyList<string>? classNames, int numberOfClasses)
    {
        if (classNames?.Count != numberOfClasses || _classNames?.Count != numberOfClasses)
            return default;
        string? difference = ClassOrder.Match(classNames, _classNames, out int[]? places);
        return (difference, places);
    }

    /// <summary>The normalisation that the weights were trained with, in the channels and units of the images; null where nothing tells
    /// it.</summary>
    /// <exception cref="InvalidOperationException">Nothing tells what it is in the channels or units of the images.</exception>
    public PixelStatistics? StatisticsFor(ImageDataset images, IChannel channel) =>
        StatisticsFor(images.PixelType, images.Shape, () => PixelScale.Known(images), channel);

    /// <summary>As <see cref="StatisticsFor(ImageDataset, IChannel)"/>, for images that are not read yet; null also where they would have
    /// to be: for floats where the weights are of bytes.</summary>
    public PixelStatistics? StatisticsFor(ScalarType pixelType, ImageShape shape, IChannel channel) =>
        StatisticsFor(pixelType, shape, white: null, channel);

    /// <summary>What to say where images are normalised wholly otherwise than those that the weights were trained on; else
    /// null.</summary>
    /// <param name="given">How they are normalised.</param>
    /// <param name="white">What is white among them.</param>
    public string? AdviceOn(PixelStatistics given, double white)
    {
        if (_statistics?.White is not double ofWeights || _statistics.ForChannels(given.Mean.Count) is not PixelStatistics converted)
            return null;
        PixelStatistics own = converted.Scaled(1 / ofWeights, pixelType: null), other = given.Scaled(1 / white, pixelType: null);
        return Enumerable.Range(0, own.Mean.Count).All(i => Math.Abs(own.Mean[i] - other.Mean[i]) <= LargestShift
                && other.StandardDeviation[i] / own.StandardDeviation[i] is >= 1 / LargestRatio and <= LargestRatio)
            ? null
            : $"Normalization asks for {other}, where white is 1, and the weights in '{Path}' were trained with {own}: the network gets " +
                "numbers that are unlike all that it has seen. Leave Normalization unset, and pixels are normalised as they were for the " +
                "weights.";
    }

    /// <summary>Whether the file tells what pixels were normalised with.</summary>
    public bool TellsStatistics => _statistics is not null;

    /// <summary>Whether they were trained on such pixels, or are taken to be, so that what they were normalised with is not
    /// converted.</summary>
    public bool AreOf(ScalarType pixelType, ImageShape shape) => _statistics is null
        ? pixelType == ScalarType.Byte && shape.Channels == 3
        : pixelType == _statistics.PixelType && shape.Channels == _statistics.Mean.Count;

    private PixelStatistics? StatisticsFor(ScalarType pixelType, ImageShape shape, Func<double?>? white, IChannel channel)
    {
        if (_statistics is null)
            return UsualStatistics(pixelType, shape, white, channel);
        int ofWeights = _statistics.Mean.Count;
        PixelStatistics statistics = _statistics.ForChannels(shape.Channels) ?? throw new InvalidOperationException(
            $"The weights in '{Path}' were trained on images of {ofWeights} channels, and these have {shape.Channels}: give images of " +
            $"{ofWeights} channels.");
        if (statistics.PixelType != pixelType)
        {
            if (pixelType != ScalarType.Byte && white is null)
                return null;
            double from = statistics.White ?? throw new InvalidOperationException(
                $"The weights in '{Path}' were trained on float pixels of {_statistics}, of which nothing tells what is white, and these " +
                "images are bytes: give float pixels in the units of those" + (!IsForTraining ? "." :
                    ", or set Normalization, where white is 1 (for bytes that were only divided by 255, and mean 0 and deviation 1, it " +
                    "is PixelNormalization.Of with zeros and ones)."));
            double to = pixelType == ScalarType.Byte ? byte.MaxValue : white!() ?? throw new InvalidOperationException(
                $"The weights in '{Path}' were trained on bytes, and these images are float pixels that are neither from 0 to 1 nor from " +
                "0 to 255 by their least and greatest, so that nothing tells what is white: give bytes (ExtractPixels with " +
                "outputAsFloatArray: false), or floats in [0, 1] or in [0, 255].");
            statistics = statistics.Scaled(to / from, pixelType);
        }
        else if (pixelType != ScalarType.Byte && statistics.White is double known && white?.Invoke() is double here && here != known)
        {
            channel.Warning($"The weights in '{Path}' were trained on float pixels of which {known} was white, by their mean and " +
                $"deviation, and of these it seems to be {here}: give pixels in the same units.");
        }

        if (!ReferenceEquals(statistics, _statistics))
        {
            channel.Info($"The weights were trained on {_statistics.PixelType} pixels of {ofWeights} channels with {_statistics}; these " +
                $"are {pixelType} pixels of {shape.Channels}, for which that is {statistics}" +
                (ofWeights > shape.Channels ? ", averaged over the channels." : "."));
        }
        return statistics;
    }

    /// <summary>What is usual for the network, where the file does not tell.</summary>
    private PixelStatistics? UsualStatistics(ScalarType pixelType, ImageShape shape, Func<double?>? white, IChannel channel)
    {
        if (PublishedNetwork.Recognise(Shapes(_tensors)) is not string network
            || PublishedNetwork.UsualNormalization(network) is not PixelNormalization usual
            || usual.ForBytes().ForChannels(shape.Channels) is not PixelStatistics statistics
            || (pixelType != ScalarType.Byte && white is null))
            return null;
        if ((pixelType == ScalarType.Byte ? byte.MaxValue : white!()) is not double here)
        {
            channel.Warning($"The file of weights does not tell how pixels were normalised. With '{network}' it is usually {usual}, " +
                "which cannot be converted to these float pixels: by their least and greatest they are neither from 0 to 1 nor from 0 to " +
                "255, so that nothing tells what is white. Mean and deviation are those of the training images. Give bytes, or floats in " +
                "[0, 1] or in [0, 255], for what is usual.");
            return null;
        }

        channel.Info($"The file of weights does not tell how pixels were normalised; that of '{network}' is usually {usual}, which is " +
            $"assumed.{(IsForTraining ? " Set Normalization where its publisher says otherwise." : "")}");
        return statistics.Scaled(here / byte.MaxValue, pixelType);
    }

    /// <summary>A hash of the weights and of the normalisation that goes with them, whatever the file's name and place.</summary>
    public string Content()
    {
        string statistics = _statistics is null
            ? ""
            : string.Create(CultureInfo.InvariantCulture,
                $", for {_statistics.PixelType} pixels of mean {Join(_statistics.Mean)}, deviation {Join(_statistics.StandardDeviation)}");
        return $"SHA-256 {TensorContent.Hash(_tensors)}{statistics}";

        static string Join(IEnumerable<double> numbers) =>
            string.Join(' ', numbers.Select(number => number.ToString("R", CultureInfo.InvariantCulture)));
    }

    public void Dispose()
    {
        foreach (Tensor tensor in _tensors.Values)
            tensor.Dispose();
    }

    /// <summary>Whether the trainer reads them, whose options say how pixels are normalised.</summary>
    private bool IsForTraining => _argument != ForFeatures;

    private bool IsVit => NetworkArchitecture.IsVisionTransformer(Architecture);

    /// <summary>Whether these weights see something in images of the size that a column has; also where it has none.</summary>
    private bool IsTaken(ImageDataViewType images)
    {
        if (images.Width <= 0 || images.Height <= 0)
            return true;
        var shape = new ImageShape(Channels ?? 3, images.Height, images.Width);
        int patch = VisionTransformer.PatchSize(shape);
        return IsVit
            ? _tensors.GetValueOrDefault(WeightTransfer.PatchesName)?.shape is [.., long side] && side == patch
                && shape.Height % patch == 0 && shape.Width % patch == 0
            : NetworkArchitecture.Advice(Architecture!, shape) is null;
    }

    private static InitialWeights ReadSafetensors(string path, FileStream file, string? architecture)
    {
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> tensors = SafetensorsFile.Read(file, length: null, out IReadOnlyDictionary<string, string> metadata);
        string wrapper = PublishedNetwork.Wrapper(tensors.Keys);
        Dictionary<string, Tensor> bare = tensors.ToDictionary(entry => entry.Key[wrapper.Length..], entry => entry.Value);
        string? found = PublishedNetwork.Recognise(Shapes(bare));
        if (found is not null)
            tensors = bare;
        if (architecture is null && found is null)
        {
            throw new InvalidDataException(
                $"Its tensors ({string.Join(", ", tensors.Keys.Take(3))}, …) are not those of a network that is known by its names. Set " +
                    $"Arch to the network that they are of. {PublishedNetwork.Advice(Shapes(tensors), architecture)}".TrimEnd());
        }

        return new InitialWeights(path, tensors, WeightsFile.ReadStatistics(metadata), architecture ?? found,
            WeightsFile.ReadShape(metadata), WeightsFile.ReadClassNames(metadata));
    }

    private static InitialWeights ReadOnnx(string path, FileStream file, string? architecture)
    {
        byte[] content = new byte[file.Length <= Array.MaxLength ? file.Length
            : throw new InvalidDataException("An ONNX file has less than 2 GB.")];
        file.ReadExactly(content);
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> tensors = OnnxResNet.Read(OnnxGraph.Read(content));
        if (architecture?.Equals(NetworkArchitecture.MLNetResNet18, StringComparison.OrdinalIgnoreCase) == false)
        {
            throw new InvalidDataException(
                $"These are the weights of '{NetworkArchitecture.MLNetResNet18}', and Arch is '{architecture}': set Arch to " +
                    "NetworkArchitecture.MLNetResNet18.");
        }

        return new InitialWeights(path, tensors, new PixelStatistics(OnnxResNet.Mean, [1, 1, 1], ScalarType.Byte),
            NetworkArchitecture.MLNetResNet18);
    }

    private static InitialWeights ReadModel(IHostEnvironment env, string path, FileStream file, string? architecture)
    {
        (ImageClassifier read, ClassifierDescription description) = EarlierModel.Read(env, file);
        using ImageClassifier classifier = read;
        if (architecture is not null && !classifier.Architecture.Equals(architecture, StringComparison.OrdinalIgnoreCase))
        {
            throw new InvalidDataException(
                $"The model's network is '{classifier.Architecture}', and Arch is '{architecture}'. They must be the same.");
        }
        using DisposeScope scope = NewDisposeScope();
        var tensors = ModuleWeights.Of(classifier.Network).ToDictionary(entry => entry.Key, entry => entry.Value.detach().cpu().clone());
        return new InitialWeights(path, tensors, classifier.Normalization.Statistics, classifier.Architecture, classifier.Shape,
            description.LabelValues?.Names);
    }

    private static Dictionary<string, long[]> Shapes(Dictionary<string, Tensor> tensors) =>
        tensors.ToDictionary(entry => entry.Key, entry => entry.Value.shape);

    private static InvalidDataException Refused(string argument, string path, Exception reason) =>
        new($"{argument} '{path}' cannot be used. {reason.Message}", reason);
}
