namespace Microsoft.ML.SharpnessAware;

/// <summary>The type of pixel values that an ONNX model takes.</summary>
public enum OnnxPixelType
{
    /// <summary>That of the pixels that the model was trained on.</summary>
    AsTrained,

    /// <summary>Bytes, uint8.</summary>
    Byte,

    /// <summary>float32, of the same values.</summary>
    Float,
}
