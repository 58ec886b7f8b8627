using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>How <see cref="SharpnessAwareImageClassificationTransformer.SaveOnnx"/> writes a model.</summary>
public sealed record OnnxExportOptions
{
    /// <summary>The version of ONNX's standard operators, from 11 to 21. 17 by default: ONNX Runtime reads it since 1.12 (2022).</summary>
    public int OpsetVersion { get; init; } = 17;

    /// <summary>The order of the dimensions of the input.</summary>
    public OnnxPixelOrder PixelOrder { get; init; } = OnnxPixelOrder.ChannelsFirst;

    /// <summary>
    /// The type of the input's values. By default that of the pixels that the model was trained on: bytes for images, float32 for vectors
    /// of float. Float32 has the same values in either case, for images from 0 to 255; a model of float pixels cannot take bytes.
    /// </summary>
    public OnnxPixelType PixelType { get; init; } = OnnxPixelType.AsTrained;

    /// <summary>
    /// Whether the file takes pictures of any size and brings them to the model's, as <c>Options.Resizing</c> said in training: by
    /// averaging areas where they shrink, as this library does. The pictures of one call have one size. Off by default. Large pictures
    /// take memory: about 16 bytes for each of their values.
    /// </summary>
    public bool Resize { get; init; }

    /// <summary>
    /// Whether the network computes in 8-bit integers. None by default. Int8 needs <see cref="QuantizationSet"/>, opset 13 or later, and in
    /// the application the packages MLSharpness.Onnx and Microsoft.ML.OnnxRuntime.
    /// </summary>
    public OnnxQuantization Quantize { get; init; } = OnnxQuantization.None;

    /// <summary>
    /// Images like those that the model will see, best the validation set, a few hundred of them: what the model is given. They tell the
    /// ranges that are rounded to bytes, and the temperature is fitted on them again. Kept in memory meanwhile.
    /// </summary>
    public IDataView? QuantizationSet { get; init; }

    /// <summary>The label of <see cref="QuantizationSet"/>, for accuracy and calibration before and after; null for images without
    /// labels. "Label" by default.</summary>
    public string? QuantizationLabelColumnName { get; init; } = DefaultColumnNames.Label;
}
