namespace Microsoft.ML.SharpnessAware;

/// <summary>Runs graphs of ONNX, for a package that writes them and has no runtime. MLSharpness.Onnx has one.</summary>
internal interface IOnnxRunner
{
    /// <summary>Runs a model that has one input, of float32, and outputs of float32.</summary>
    /// <param name="model">The model's bytes.</param>
    /// <param name="batches">What the input is given, one batch after the other.</param>
    /// <returns>For each batch the outputs in the model's order.</returns>
    /// <exception cref="InvalidDataException">The runtime cannot read the model.</exception>
    /// <exception cref="InvalidOperationException">The native library of the runtime is missing.</exception>
    IEnumerable<float[][]> Run(byte[] model, IEnumerable<(float[] Values, long[] Dimensions)> batches);
}
