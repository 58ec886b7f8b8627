namespace Microsoft.ML.SharpnessAware;

/// <summary>What <see cref="ScoreRow"/> does, in an ONNX graph.</summary>
internal static class ScoreGraph
{
    /// <summary>Probabilities in float64 of scores in float32 [rows, classes]; all NaN in a row of which one score is.</summary>
    public static string Probabilities(OnnxGraphWriter graph, string scores, ScoreKind scoreKind)
    {
        string probabilities = graph.Cast(scores, OnnxType.Float64);
        if (scoreKind == ScoreKind.Logits)
            probabilities = graph.SoftmaxOfRows(probabilities);
        return graph.Node("Where", [graph.AnyNaN(scores, 1, keepDimensions: true),
            graph.Cast(graph.Sum(scores, 1), OnnxType.Float64), probabilities]);
    }
}
