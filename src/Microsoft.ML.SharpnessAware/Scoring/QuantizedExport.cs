using Microsoft.ML.Runtime;
using Onnx;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Makes the graph of a classifier compute in small integers: ranges and temperature from images, in ONNX Runtime.</summary>
internal sealed class QuantizedExport(
    SharpnessAwareImageClassificationTransformer model, ImageClassifier classifier, OnnxExportOptions options)
{
    private const int FewImages = 100;

    /// <summary>Makes the whole file in float32 with a temperature; the same operators and names each time.</summary>
    public delegate OnnxFileWriter Builder(double temperature, out OnnxClassifierParts parts);

    private readonly IOnnxRunner _runner = OnnxRunners.Find("OnnxExportOptions.Quantize");
    private readonly double _temperature = model.Description.Temperature;

    /// <exception cref="ArgumentException">There is no set of images.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such quantisation.</exception>
    /// <exception cref="NotSupportedException">The opset is too old.</exception>
    public static void Check(OnnxExportOptions options)
    {
        if (options.Quantize != OnnxQuantization.Int8)
            throw new ArgumentOutOfRangeException(nameof(options), options.Quantize, "Quantize must be None or Int8.");
        if (options.QuantizationSet is null)
        {
            throw new ArgumentException(
                "Quantize = Int8 needs QuantizationSet: a few hundred images like those that the model will see, best of the " +
                "validation set.",
                nameof(options));
        }

        if (options.OpsetVersion < OnnxQuantizer.OldestOpset)
        {
            throw new NotSupportedException($"Quantize = Int8 needs opset {OnnxQuantizer.OldestOpset} or later, not " +
                $"{options.OpsetVersion}: older ones have no scale for each channel. 17 is the default.");
        }
    }

    /// <param name="build">Makes the graph.</param>
    /// <param name="warn">Whether decisions follow the model.</param>
    public QuantizedClassifier Quantize(Builder build, bool warn)
    {
        var images = new QuantizationImages(model, classifier, options.QuantizationSet!, options.QuantizationLabelColumnName);
        OnnxFileWriter before = build(_temperature, out OnnxClassifierParts parts);
        long bytesBefore = before.Size(OnnxExport.Version);
        NodeProto[] tail = Tail(before, parts);
        var quantizer = new OnnxQuantizer(before, parts.First, parts.End);
        (float[] original, Dictionary<string, (float, float)> ranges) = Observe(before, parts, quantizer, images);
        float[] rounded = Logits(before, parts, quantizer.Quantize(ranges), images);

        double temperature = MatchedTemperature.Fit(rounded, original, _temperature, classifier.NumberOfClasses);
        OnnxFileWriter after = build(temperature, out OnnxClassifierParts same);
        new OnnxQuantizer(after, same.First, same.End).Quantize(ranges);
        after.AddMetadata("quantization", "int8");

        float[] scoresBefore = Scores(before, parts, tail, original);
        float[] scoresAfter = Scores(after, same, tail, rounded);
        var report = new OnnxQuantizationReport
        {
            Before = images.Measure(scoresBefore),
            After = images.Measure(scoresAfter),
            TemperatureBefore = _temperature,
            TemperatureAfter = temperature,
            Count = images.Count,
            SameClass = SameClass(scoresBefore, scoresAfter),
            BytesBefore = bytesBefore,
            BytesAfter = after.Size(OnnxExport.Version),
        };
        Log(report, warn);
        return new QuantizedClassifier(after, report);
    }

    private void Log(OnnxQuantizationReport report, bool warn)
    {
        using IChannel channel = model.Host.Start("Quantising");
        if (report.Count < FewImages)
            channel.Warning($"The model is quantised with {report.Count} images, by which its ranges and its temperature are a guess. " +
                "A few hundred from the validation set are better.");
        if (warn)
            channel.Warning("The decisions behind the model were fitted on its scores in float32, and what they promise holds for those. " +
                "Save the model without them, and fit them on the scores of the quantised file (ScoreOnnxImageClassifier).");
        channel.Info($"Quantised.{Environment.NewLine}{report}");
    }

    /// <summary>The logits in float32, and what activations lie between.</summary>
    private (float[] Logits, Dictionary<string, (float Least, float Greatest)> Ranges) Observe(
        OnnxFileWriter file, OnnxClassifierParts parts, OnnxQuantizer quantizer, QuantizationImages images)
    {
        IReadOnlyList<NodeProto> nodes = quantizer.WithExtremes(out IReadOnlyList<string> extremes);
        var ranges = quantizer.Activations.ToDictionary(name => name, _ => (Least: 0f, Greatest: 0f));
        List<float> logits = [];
        foreach (float[][] values in _runner.Run(
            file.Part(nodes, parts.Pixels, Dimensions(), [parts.Logits, .. extremes]), images.Batches()))
        {
            logits.AddRange(values[0]);
            for (int i = 0; i < quantizer.Activations.Count; i++)
            {
                (float least, float greatest) = (values[1 + (2 * i)][0], values[2 + (2 * i)][0]);
                if (!float.IsFinite(least) || !float.IsFinite(greatest))
                    throw new InvalidOperationException("The network gives NaN or infinite values for an image of QuantizationSet.");
                (float Least, float Greatest) range = ranges[quantizer.Activations[i]];
                ranges[quantizer.Activations[i]] = (Math.Min(range.Least, least), Math.Max(range.Greatest, greatest));
            }
        }

        return ([.. logits], ranges);
    }

    private float[] Logits(OnnxFileWriter file, OnnxClassifierParts parts, IReadOnlyList<NodeProto> network, QuantizationImages images) =>
        [.. _runner.Run(file.Part(network, parts.Pixels, Dimensions(), [parts.Logits]), images.Batches()).SelectMany(values => values[0])];

    private float[] Scores(OnnxFileWriter file, OnnxClassifierParts parts, NodeProto[] tail, float[] logits)
    {
        int classes = classifier.NumberOfClasses;
        return _runner.Run(file.Part(tail, parts.Logits, ["rows", classes], [parts.Score]), [(logits, [logits.Length / classes, classes])])
            .Single()[0];
    }

    /// <summary>Temperature, softmax and calibrators: the operators behind the network that the scores come from.</summary>
    private static NodeProto[] Tail(OnnxFileWriter file, OnnxClassifierParts parts)
    {
        HashSet<string> needed = [parts.Score];
        List<NodeProto> tail = [];
        foreach (NodeProto node in file.Nodes.Skip(parts.End).Reverse().Where(node => node.Output.Any(needed.Contains)))
        {
            tail.Add(node);
            needed.UnionWith(node.Input);
        }

        tail.Reverse();
        return [.. tail];
    }

    private object[] Dimensions() => ["rows", classifier.Shape.Channels, classifier.Shape.Height, classifier.Shape.Width];

    private double SameClass(float[] before, float[] after)
    {
        int classes = classifier.NumberOfClasses, rows = before.Length / classes;
        int same = Enumerable.Range(0, rows).Count(row => Best(before, row) == Best(after, row));
        return (double)same / rows;

        uint Best(float[] scores, int row) => ProbabilityBuffer.Key(scores.AsSpan(row * classes, classes));
    }
}
