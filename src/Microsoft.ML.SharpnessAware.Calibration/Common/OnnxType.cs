namespace Microsoft.ML.SharpnessAware;

/// <summary>Types of tensors, by ONNX's numbers.</summary>
internal enum OnnxType
{
    Float32 = 1,
    UInt8 = 2,
    Int8 = 3,
    Int32 = 6,
    Int64 = 7,
    Text = 8,
    Boolean = 9,
    Float64 = 11,
    UInt32 = 12,
}
