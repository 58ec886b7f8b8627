namespace Microsoft.ML.SharpnessAware;

/// <summary>What a file of weights can be.</summary>
internal enum WeightsFormat
{
    /// <summary>Named tensors, as <see cref="SafetensorsFile"/> reads them.</summary>
    Safetensors,

    /// <summary>An archive: a model file of ML.NET, or something else.</summary>
    Zip,

    /// <summary>A graph with its weights, as <see cref="OnnxGraph"/> reads it.</summary>
    Onnx,
}
