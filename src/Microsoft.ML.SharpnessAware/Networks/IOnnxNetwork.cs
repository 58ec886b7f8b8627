namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A network or layer that describes its forward pass, so that a model of it can be saved as ONNX. Implement it on a module of your own
/// that is not a <c>Sequential</c> of known layers.
/// </summary>
/// <example>
/// <code>
/// sealed class Residual : nn.Module&lt;Tensor, Tensor&gt;, IOnnxNetwork
/// {
///     public override Tensor forward(Tensor x) => x + _layers.call(x);
///
///     public OnnxValue Describe(OnnxNetworkGraph graph, OnnxValue x) => graph.Operator("Add", [x, graph.Layer(_layers, x)]);
/// }
/// </code>
/// </example>
public interface IOnnxNetwork
{
    /// <summary>Adds the operators that compute what <c>forward</c> computes in evaluation mode.</summary>
    /// <param name="graph">The graph, to be asked for layers and operators.</param>
    /// <param name="input">The input, float32; of a whole network the normalised images [batch, channels, height, width].</param>
    /// <returns>The output; of a whole network the logits [batch, classes].</returns>
    OnnxValue Describe(OnnxNetworkGraph graph, OnnxValue input);
}
