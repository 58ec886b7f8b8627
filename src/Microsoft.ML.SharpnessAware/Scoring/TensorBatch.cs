using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Pixels in a tensor.</summary>
internal sealed class TensorBatch : ImageBatch
{
    private readonly Tensor _pixels;
    private readonly ScoreTensor _score;

    /// <param name="classifier">The network, for the shape and type of its pixels.</param>
    /// <param name="capacity">The most images.</param>
    /// <param name="score">Fills values from pixels [n, C, H, W].</param>
    public TensorBatch(ImageClassifier classifier, int capacity, ScoreTensor score)
    {
        (int channels, int height, int width) = classifier.Shape;
        _score = score;
        _pixels = empty([capacity, channels, height, width], classifier.PixelType, CPU).DetachFromDisposeScope();
        ImageBytes = checked(classifier.Shape.ValueCount * (int)_pixels.ElementSize);
    }

    internal delegate void ScoreTensor(Tensor pixels, Span<float> values);

    protected override int ImageBytes { get; }

    protected override Span<byte> Pixels => _pixels.bytes;

    public override void Score(Span<float> values)
    {
        using DisposeScope scope = NewDisposeScope();
        _score(_pixels.narrow(0, 0, Count), values);
    }

    public override void Dispose() => _pixels.Dispose();
}
