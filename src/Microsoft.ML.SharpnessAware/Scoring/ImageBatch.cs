using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Pixels of up to <see cref="Capacity"/> images, read one after the other and scored together.</summary>
internal sealed class ImageBatch : IDisposable
{
    private readonly int _imageBytes;
    private readonly Tensor _pixels;

    public ImageBatch(ImageClassifier classifier, int capacity)
    {
        Capacity = capacity;
        (int channels, int height, int width) = classifier.Shape;
        _pixels = empty([capacity, channels, height, width], classifier.PixelType, CPU).DetachFromDisposeScope();
        _imageBytes = checked(classifier.Shape.ValueCount * (int)_pixels.ElementSize);
    }

    public int Capacity { get; }

    public int Count { get; private set; }

    public void Clear() => Count = 0;

    /// <summary>Adds the image of the reader's current row.</summary>
    public void Add(ImageReader reader)
    {
        reader.Read(_pixels.bytes.Slice(Count * _imageBytes, _imageBytes));
        Count++;
    }

    /// <summary>Fills <paramref name="values"/> [<see cref="Count"/> × values per image].</summary>
    public void Score(IImageScorer scorer, Span<float> values)
    {
        using DisposeScope scope = NewDisposeScope();
        scorer.Score(_pixels.narrow(0, 0, Count), values);
    }

    public void Dispose() => _pixels.Dispose();
}
