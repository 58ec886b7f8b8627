using Microsoft.ML.OnnxRuntime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Graphs of float32 in ONNX Runtime; see <see cref="OnnxRunners"/>.</summary>
internal sealed class OnnxRunner : IOnnxRunner
{
    /// <inheritdoc/>
    public IEnumerable<float[][]> Run(byte[] model, IEnumerable<(float[] Values, long[] Dimensions)> batches)
    {
        using InferenceSession session = OnnxSession.Create(model, "The graph");
        using var options = new RunOptions();
        string[] inputs = [session.InputNames[0]], outputs = [.. session.OutputNames];
        foreach ((float[] values, long[] dimensions) in batches)
        {
            using OrtValue input = OrtValue.CreateTensorValueFromMemory(values, dimensions);
            using IDisposableReadOnlyCollection<OrtValue> results = session.Run(options, inputs, [input], outputs);
            yield return [.. results.Select(result => result.GetTensorDataAsSpan<float>().ToArray())];
        }
    }
}
