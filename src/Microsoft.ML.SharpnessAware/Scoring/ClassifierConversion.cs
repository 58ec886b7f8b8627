using Microsoft.ML.Model.OnnxConverter;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Adds a classifier of pixel vectors to the graph that ML.NET's ConvertToOnnx builds.</summary>
internal static class ClassifierConversion
{
    /// <exception cref="NotSupportedException">The images are files or MLImages.</exception>
    public static void Check(ImageColumn images)
    {
        if (images.Layout is null)
        {
            throw new NotSupportedException(
                $"Column '{images.Name}' holds images that must be decoded and resized first, which ONNX cannot do as the model was " +
                "trained. ConvertToOnnx works for pipelines that begin with vectors of pixels. Save the classifier by its own method " +
                "SaveOnnx: the file takes pixels.");
        }
    }

    /// <summary>Adds the columns of a view.</summary>
    /// <param name="context">The graph, which has the columns before.</param>
    /// <param name="view">A view whose images are vectors of pixels.</param>
    /// <param name="transformer">The classifier of the view.</param>
    /// <exception cref="NotSupportedException">The network has a layer that cannot be written; it is named.</exception>
    public static void AddTo(OnnxContext context, BatchScoringDataView view, SharpnessAwareImageClassificationTransformer transformer)
    {
        var graph = new OnnxContextWriter(context, "classifier");
        graph.CheckOpset("The image classifier");
        using ImageClassifier classifier = transformer.Classifier.Share();
        string pixels = Pixels(graph, context.GetVariableName(view.Images.Name), view.Images, classifier);
        string logits = ClassifierGraph.Logits(graph, classifier, pixels);
        string scores = ClassifierGraph.Probabilities(graph, logits, transformer.Temperature);
        string best = graph.Node("ArgMax", [logits], ("axis", 1L));

        DataViewSchema.Column[] added = [.. view.Bindings.AddedColumnIndices.Select(index => view.Schema[index])];
        (DataViewSchema.Column score, DataViewSchema.Column label) = (added[ScoreColumns.Score], added[ScoreColumns.PredictedLabel]);
        graph.Column("Cast", [scores], score.Name, score.Type, ("to", (long)OnnxType.Float32));
        string key = graph.Node("Where", [graph.AnyNaN(graph.Cast(scores, OnnxType.Float32), 1, keepDimensions: true), graph.Vector(0),
            graph.Node("Add", [best, graph.Vector(1)])]);
        graph.Column("Cast", [key], label.Name, label.Type, ("to", (long)OnnxType.UInt32));
    }

    /// <summary>From the vector to [rows, channels, height, width] with the channels of the model, float32.</summary>
    private static string Pixels(OnnxGraphWriter graph, string vector, ImageColumn images, ImageClassifier classifier)
    {
        PixelLayout layout = images.Layout!.Value;
        (int channels, int height, int width) = layout.Shape;
        string pixels = classifier.PixelType == ScalarType.Byte ? graph.Cast(vector, OnnxType.Float32) : vector;
        if (layout.ChannelsLast)
        {
            string last = graph.Node("Reshape", [pixels, graph.Vector(-1, height, width, channels)]);
            pixels = graph.Node("Transpose", [last], ("perm", (long[])[0, 3, 1, 2]));
        }
        else
        {
            pixels = graph.Node("Reshape", [pixels, graph.Vector(-1, channels, height, width)]);
        }

        return (channels, classifier.Shape.Channels) switch
        {
            (1, 3) => graph.Node("Concat", [pixels, pixels, pixels], ("axis", 1L)),
            (3, 1) => Grey(graph, pixels, isByte: classifier.PixelType == ScalarType.Byte),
            _ => pixels,
        };
    }

    private static string Grey(OnnxGraphWriter graph, string pixels, bool isByte)
    {
        float[] weights = [ImageScaler.Grey(1, 0, 0), ImageScaler.Grey(0, 1, 0), ImageScaler.Grey(0, 0, 1)];
        string grey = graph.Node("Conv", [pixels, graph.Constant(weights, 1, 3, 1, 1)], ("kernel_shape", (long[])[1, 1]));
        return isByte ? graph.Node("Floor", [graph.Node("Add", [grey, graph.Constant([0.5f], 1)])]) : grey;
    }
}
