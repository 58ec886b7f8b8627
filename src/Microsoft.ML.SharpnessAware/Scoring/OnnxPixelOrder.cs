namespace Microsoft.ML.SharpnessAware;

/// <summary>The order of the dimensions of pixels that an ONNX model takes.</summary>
public enum OnnxPixelOrder
{
    /// <summary>[rows, channels, height, width]: one plane for each colour, as networks have it.</summary>
    ChannelsFirst,

    /// <summary>[rows, height, width, channels]: one pixel after the other, as cameras and browsers have it.</summary>
    ChannelsLast,
}
