using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>An image as grey pixels [1, 12, 12].</summary>
public sealed class PixelRow
{
    public string Label { get; set; } = "";

    [VectorType(1, Shapes.Size, Shapes.Size)]
    public byte[] Image { get; set; } = [];

    public int Number { get; set; }
}

/// <summary>An image as an encoded file.</summary>
public sealed class EncodedRow
{
    public string Label { get; set; } = "";

    public byte[] Image { get; set; } = [];

    public string ImagePath { get; set; } = "";
}

/// <summary>An image as float pixels.</summary>
public sealed class FloatRow
{
    public string Label { get; set; } = "";

    [VectorType(1, Shapes.Size, Shapes.Size)]
    public float[] Image { get; set; } = [];
}

/// <summary>What a model says of an image.</summary>
public class ScoredRow
{
    public uint PredictedLabel { get; set; }

    public float[] Score { get; set; } = [];

    public int Number { get; set; }
}

/// <summary>What a pipeline that ends in MapKeyToValue says of an image.</summary>
public sealed class NamedRow
{
    public string PredictedLabel { get; set; } = "";

    public float[] Score { get; set; } = [];
}
