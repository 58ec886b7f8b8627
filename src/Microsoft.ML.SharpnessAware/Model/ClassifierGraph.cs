namespace Microsoft.ML.SharpnessAware;

/// <summary>A classifier as an ONNX graph: from pixels to probabilities.</summary>
internal static class ClassifierGraph
{
    /// <summary>Normalisation and network: from the values of pixels, float32 [rows, channels, height, width], to logits.</summary>
    /// <exception cref="NotSupportedException">The network has a layer that cannot be written; it is named.</exception>
    public static string Logits(OnnxGraphWriter graph, ImageClassifier classifier, string pixels)
    {
        long channels = classifier.Shape.Channels;
        PixelStatistics statistics = classifier.Normalization.Statistics;
        string mean = graph.Constant([.. statistics.Mean.Select(value => (float)value)], 1, channels, 1, 1);
        string scale = graph.Constant([.. statistics.StandardDeviation.Select(value => (float)(1 / value))], 1, channels, 1, 1);
        string normalized = graph.Node("Mul", [graph.Node("Sub", [pixels, mean]), scale]);
        return new OnnxNetworkGraph(graph, classifier.Architecture).Layer(classifier.Network, new OnnxValue(normalized)).Name;
    }

    /// <summary>softmax(logits / T), float64 as in <see
    /// cref="ImageClassifier.Probabilities(TorchSharp.torch.Tensor, double, Span{float})"/>.</summary>
    public static string Probabilities(OnnxGraphWriter graph, string logits, double temperature)
    {
        string scaled = graph.Node("Div", [graph.Cast(logits, OnnxType.Float64), graph.Constant([temperature], 1)]);
        return graph.Node("Softmax", [scaled], ("axis", 1L));
    }
}
