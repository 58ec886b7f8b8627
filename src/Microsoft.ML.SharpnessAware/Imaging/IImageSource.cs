using System.Security.Cryptography;

namespace Microsoft.ML.SharpnessAware;

/// <summary>An image that a <see cref="PixelSink"/> can take.</summary>
internal interface IImageSource
{
    /// <summary>The shape of every image.</summary>
    ImageShape GetShape();

    /// <summary>Writes the image, which has that shape, into memory of its length in bytes.</summary>
    /// <exception cref="InvalidOperationException">The image cannot be used.</exception>
    void Read(Span<byte> pixels);

    /// <summary>Adds what the data holds, before it is decoded, to a hash.</summary>
    void AddContentTo(IncrementalHash hash);
}
