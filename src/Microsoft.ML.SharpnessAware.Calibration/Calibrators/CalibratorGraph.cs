namespace Microsoft.ML.SharpnessAware;

/// <summary>The pieces of which the calibrators' ONNX graphs are made, in float64 as their own arithmetic is.</summary>
internal static class CalibratorGraph
{
    /// <summary>ln max(p, floor) of probabilities in float64.</summary>
    public static string Logarithms(OnnxGraphWriter graph, string probabilities, double floor) =>
        graph.Node("Log", [graph.Node("Max", [probabilities, graph.Constant([floor], 1)])]);

    /// <summary>softmax(ln p / T).</summary>
    public static string Temperature(OnnxGraphWriter graph, string probabilities, double temperature, double floor) => temperature == 1
        ? probabilities
        : graph.SoftmaxOfRows(graph.Node("Div", [Logarithms(graph, probabilities, floor), graph.Constant([temperature], 1)]));

    /// <summary>softmax(W ln p + b).</summary>
    /// <param name="graph">Where to.</param>
    /// <param name="probabilities">p, float64 [rows, classes].</param>
    /// <param name="weights">W, row after row.</param>
    /// <param name="bias">b.</param>
    /// <param name="floor">The least that a probability counts.</param>
    public static string Linear(OnnxGraphWriter graph, string probabilities, double[] weights, double[] bias, double floor)
    {
        int classes = bias.Length;
        double[] transposed = new double[weights.Length];
        for (int i = 0; i < classes; i++)
        {
            for (int j = 0; j < classes; j++)
                transposed[(j * classes) + i] = weights[(i * classes) + j];
        }
        string product = graph.Node("MatMul", [Logarithms(graph, probabilities, floor), graph.Constant(transposed, classes, classes)]);
        return graph.SoftmaxOfRows(graph.Node("Add", [product, graph.Constant(bias, 1, classes)]));
    }
}
