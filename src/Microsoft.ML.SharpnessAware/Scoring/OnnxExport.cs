using System.Reflection;
using Microsoft.ML.Transforms;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Writes a classifier, and the calibrators and decisions behind it, as one ONNX file.</summary>
internal static class OnnxExport
{
    public const int OldestOpset = 11, NewestOpset = 21;

    private const string Rows = "rows";

    /// <summary>The version of this library.</summary>
    internal static string Version { get; } = typeof(OnnxExport)
        .Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion
        ?? typeof(OnnxExport).Assembly.GetName().Version!.ToString();

    /// <param name="path">The file.</param>
    /// <param name="model">The classifier.</param>
    /// <param name="followers">What follows it: calibrators, prediction sets, abstention.</param>
    /// <param name="options">How.</param>
    /// <returns>What quantising did; null where nothing is quantised.</returns>
    /// <exception cref="ArgumentException">There are no images to quantise with.</exception>
    /// <exception cref="IOException">The file cannot be written; what was there before still is.</exception>
    /// <exception cref="NotSupportedException">The network, a calibrator or an option is not supported.</exception>
    public static OnnxQuantizationReport? Save(
        string path, SharpnessAwareImageClassificationTransformer model, IReadOnlyList<ITransformer> followers, OnnxExportOptions options)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
            throw new IOException($"'{path}' is a folder; an ONNX model is one file.");
        if (options.OpsetVersion is < OldestOpset or > NewestOpset)
        {
            throw new NotSupportedException(
                $"Opset {options.OpsetVersion} is not offered; choose one from {OldestOpset} to {NewestOpset}. 17 is the default.");
        }

        Check(options);
        foreach (MulticlassCalibratorTransformer calibrator in followers.OfType<MulticlassCalibratorTransformer>())
            CheckClass(calibrator, model.Description.PredictedLabelColumnName);
        followers = WithoutHidden(followers);
        using ImageClassifier classifier = model.Classifier.Share();
        OnnxFileWriter BuildFile(double temperature, out OnnxClassifierParts parts)
        {
            ClassifierDescription description = model.Description with { Temperature = temperature };
            OnnxFileWriter built = Build(classifier, description, model.ClassNames, followers, options, out parts);
            OnnxMetadata metadata = Metadata(classifier, description, model.ClassNames, Decisions(followers), options);
            foreach ((string key, string value) in metadata.Write(model.Host))
                built.AddMetadata(key, value);
            return built;
        }

        QuantizedClassifier? quantized = options.Quantize == OnnxQuantization.None ? null
            : new QuantizedExport(model, classifier, options).Quantize(BuildFile, warn: followers.Any(IsDecision));
        OnnxFileWriter file = quantized?.File ?? BuildFile(model.Description.Temperature, out _);
        AtomicFile.Write(path, stream => file.Save(stream, Version));
        return quantized?.Report;
    }

    /// <summary>As <see cref="Save(string, SharpnessAwareImageClassificationTransformer, IReadOnlyList{ITransformer},
    /// OnnxExportOptions)"/>, of a chain with nothing else in it but what maps labels to keys and back.</summary>
    /// <exception cref="NotSupportedException">The chain has another step, which is named, or no classifier.</exception>
    public static OnnxQuantizationReport? Save(string path, ITransformer chain, OnnxExportOptions options)
    {
        SharpnessAwareImageClassificationTransformer? model = null;
        List<ITransformer> followers = [];
        foreach (ITransformer step in Steps(chain))
        {
            switch (step)
            {
                case SharpnessAwareImageClassificationTransformer classifier when model is null:
                    model = classifier;
                    break;
                case MulticlassCalibratorTransformer or PredictionSetTransformer or AbstentionTransformer when model is not null:
                    followers.Add(step);
                    break;
                case ValueToKeyMappingTransformer when model is null:
                    if (options.QuantizationSet is { } images && options.QuantizationLabelColumnName is not null)
                        options = options with { QuantizationSet = step.Transform(images) };
                    break;
                case KeyToValueMappingTransformer when model is not null:
                    break;  // about the label, which a file that scores has not, and the names of classes, which PredictedLabel is
                default:
                    throw new NotSupportedException(
                        "SaveOnnx writes an image classifier of this library and the calibrators and decisions behind it; the model also " +
                        $"has a {step.GetType().Name}. Save the classifier by itself, and do in your application what that step does.");
            }
        }
        return Save(path, model ?? throw new NotSupportedException("The model has no image classifier of this library."),
            followers, options);
    }

    private static void Check(OnnxExportOptions options)
    {
        if (!Enum.IsDefined(options.PixelType))
            throw new ArgumentOutOfRangeException(nameof(options), options.PixelType, "PixelType must be AsTrained, Byte or Float.");
        if (!Enum.IsDefined(options.PixelOrder))
            throw new ArgumentOutOfRangeException(nameof(options), options.PixelOrder, "PixelOrder must be ChannelsFirst or ChannelsLast.");
        if (options.Quantize != OnnxQuantization.None)
            QuantizedExport.Check(options);
        else if (options.QuantizationSet is not null)
        {
            throw new ArgumentException(
                "QuantizationSet is given, and Quantize is None: set Quantize = Int8, or leave the set out.", nameof(options));
        }
    }

    /// <summary>A file has one class for each image, which is that of its Score.</summary>
    private static void CheckClass(MulticlassCalibratorTransformer calibrator, string predictedLabelColumnName)
    {
        if (calibrator.PredictedLabelColumnName != predictedLabelColumnName)
        {
            throw new NotSupportedException(
                $"The calibrator gives its class in column '{calibrator.PredictedLabelColumnName}' beside '{predictedLabelColumnName}', " +
                "the classifier's, and an ONNX file has one class for each image. Fit the calibrator with predictedLabelColumnName: " +
                $"\"{predictedLabelColumnName}\".");
        }
    }

    private static bool IsDecision(ITransformer follower) => follower is PredictionSetTransformer or AbstentionTransformer;

    /// <summary>Those that are made of the last scores; what a calibrator follows was made of others.</summary>
    private static ITransformer[] Decisions(IReadOnlyList<ITransformer> followers) =>
        [.. followers.Reverse().TakeWhile(IsDecision).Reverse()];

    /// <summary>Those whose columns none behind them hides: of two decisions of one name a pipeline shows the later one.</summary>
    private static ITransformer[] WithoutHidden(IReadOnlyList<ITransformer> followers)
    {
        HashSet<string> later = [];
        List<ITransformer> shown = [];
        foreach (ITransformer follower in followers.Reverse())
        {
            IReadOnlyList<string> names = OnnxDecision.OutputsOf(follower);
            if (names.Count == 0 || !names.All(later.Contains))
                shown.Add(follower);
            later.UnionWith(names);
        }

        shown.Reverse();
        return [.. shown];
    }

    private static IEnumerable<ITransformer> Steps(ITransformer model) =>
        model is IEnumerable<ITransformer> chain ? chain.SelectMany(Steps) : [model];

    private static OnnxFileWriter Build(
        ImageClassifier classifier, ClassifierDescription description, IReadOnlyList<string> classNames,
        IReadOnlyList<ITransformer> followers, OnnxExportOptions options, out OnnxClassifierParts parts)
    {
        var file = new OnnxFileWriter(options.OpsetVersion);
        string pixels = AddPixels(file, classifier, description, options);
        int first = file.Nodes.Count;
        string logits = ClassifierGraph.Logits(file, classifier, pixels);
        int end = file.Nodes.Count;
        string scores = ClassifierGraph.Probabilities(file, logits, description.Temperature);
        string best = logits;
        DataViewSchema schema = SchemaOf(description, classifier);
        List<OnnxDecision> decisions = [];
        foreach (ITransformer follower in followers)
        {
            if (follower is not MulticlassCalibratorTransformer calibrator)
            {
                decisions.Add(OnnxDecision.Add(file, follower, schema, file.Cast(scores, OnnxType.Float32)));
                continue;
            }

            scores = calibrator.CreateMapper(schema).AddTo(file, file.Cast(scores, OnnxType.Float32));
            if (!calibrator.Calibrator.KeepsPrediction)
                best = scores;
        }

        string score = file.Cast(scores, OnnxType.Float32);
        string place = file.Node("Where", [file.AnyNaN(score, 1, keepDimensions: false), file.Vector(classNames.Count),
            file.Node("ArgMax", [best], ("axis", 1L), ("keepdims", 0L))]);
        string name = file.Node("Gather", [file.Texts([.. classNames, ""]), place]);      // "" of an image whose scores are NaN
        parts = new OnnxClassifierParts(pixels, first, end, logits, score);
        file.AddOutput(score, description.ScoreColumnName, OnnxType.Float32, Rows,
            classifier.NumberOfClasses);
        file.AddOutput(name, description.PredictedLabelColumnName, OnnxType.Text, Rows);
        foreach (OnnxDecision decision in decisions)
            decision.AddOutputs(file, Rows, classifier.NumberOfClasses);
        return file;
    }

    private static string AddPixels(
        OnnxFileWriter file, ImageClassifier classifier, ClassifierDescription description, OnnxExportOptions options)
    {
        bool bytes = options.PixelType switch
        {
            OnnxPixelType.Float => false,
            OnnxPixelType.Byte when classifier.PixelType != ScalarType.Byte => throw new NotSupportedException(
                "The model was trained on float pixels, so it cannot take bytes: their scale would be a guess. Leave PixelType as it is."),
            _ => classifier.PixelType == ScalarType.Byte,
        };
        if (options.Resize && classifier.PixelType != ScalarType.Byte)
            throw new NotSupportedException("The model was trained on vectors of float, which are not resized. Leave Resize off.");
        int channels = classifier.Shape.Channels;
        (object height, object width) = options.Resize ? ((object)"height", (object)"width")
            : (classifier.Shape.Height, classifier.Shape.Width);
        bool last = options.PixelOrder == OnnxPixelOrder.ChannelsLast;
        object[] dimensions = last ? [Rows, height, width, channels] : [Rows, channels, height, width];
        file.AddInput(description.FeatureColumnName, bytes ? OnnxType.UInt8 : OnnxType.Float32, dimensions);
        string pixels = description.FeatureColumnName;
        if (bytes)
            pixels = file.Cast(pixels, OnnxType.Float32);
        if (last)
            pixels = file.Node("Transpose", [pixels], ("perm", (long[])[0, 3, 1, 2]));
        return options.Resize ? new ResizeGraph(file, classifier.Shape, classifier.Resizing).Add(pixels) : pixels;
    }

    /// <summary>The columns that a calibrator is given.</summary>
    private static DataViewSchema SchemaOf(ClassifierDescription description, ImageClassifier classifier)
    {
        var schema = new DataViewSchema.Builder();
        foreach (DataViewSchema.DetachedColumn column in ScoreColumns.Create(
            schema.ToSchema(), description.ScoreColumnName, description.PredictedLabelColumnName, classifier.NumberOfClasses,
            description.LabelValues))
            schema.AddColumn(column.Name, column.Type, column.Annotations);
        return schema.ToSchema();
    }

    private static OnnxMetadata Metadata(
        ImageClassifier classifier, ClassifierDescription description, IReadOnlyList<string> classNames,
        IReadOnlyList<ITransformer> decisions, OnnxExportOptions options) => new()
        {
            Architecture = classifier.Architecture,
            Shape = classifier.Shape,
            PixelType = classifier.PixelType.ToPixelType(),
            ChannelsLast = options.PixelOrder == OnnxPixelOrder.ChannelsLast,
            Resizes = options.Resize,
            Resizing = classifier.Resizing,
            Temperature = description.Temperature,
            ClassNames = classNames,
            LabelValues = description.LabelValues,
            Decisions = decisions,
        };
}
