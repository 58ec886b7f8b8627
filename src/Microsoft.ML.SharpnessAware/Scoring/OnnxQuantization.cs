namespace Microsoft.ML.SharpnessAware;

/// <summary>Whether an ONNX model computes in small integers.</summary>
public enum OnnxQuantization
{
    /// <summary>float32 throughout: the scores of the trained model.</summary>
    None,

    /// <summary>
    /// Convolutions and products with weights in 8-bit integers, one scale an output channel; the rest in float32. A quarter of the size;
    /// on processors with instructions for it (AVX-512 VNNI, AVX-VNNI, ARM's dot products) large networks take a third of the time, small
    /// ones half to three quarters (docs/onnx.md). The scores differ: see <see cref="OnnxQuantizationReport"/>.
    /// </summary>
    Int8,
}
