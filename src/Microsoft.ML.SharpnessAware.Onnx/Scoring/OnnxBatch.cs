using System.Numerics;
using System.Runtime.InteropServices;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Pixels in managed memory, of the type that readers give, and where the input takes another type or order, what it
/// takes.</summary>
internal sealed class OnnxBatch<TPixel, TInput> : ImageBatch
    where TPixel : unmanaged, INumber<TPixel>
    where TInput : unmanaged, INumber<TInput>
{
    private readonly OnnxClassifier _classifier;
    private readonly int _imageValues;
    private readonly TPixel[] _pixels;
    private readonly TInput[] _input;

    public OnnxBatch(OnnxClassifier classifier, int capacity)
    {
        _classifier = classifier;
        _imageValues = classifier.Metadata.Shape.ValueCount;
        _pixels = new TPixel[checked(capacity * _imageValues)];
        _input = _pixels as TInput[] is { } same && !classifier.Metadata.ChannelsLast ? same : new TInput[_pixels.Length];
        ImageBytes = checked(_imageValues * Marshal.SizeOf<TPixel>());
    }

    protected override int ImageBytes { get; }

    protected override Span<byte> Pixels => MemoryMarshal.AsBytes(_pixels.AsSpan());

    public override void Score(Span<float> values)
    {
        if (!ReferenceEquals(_input, _pixels))
        {
            for (int image = 0; image < Count; image++)
                Convert(_pixels.AsSpan(image * _imageValues, _imageValues), _input.AsSpan(image * _imageValues, _imageValues));
        }

        _classifier.Score(_input.AsMemory(0, Count * _imageValues), Count, values);
    }

    public override void Dispose()
    {
    }

    private void Convert(ReadOnlySpan<TPixel> planes, Span<TInput> target)
    {
        (int channels, int height, int width) = _classifier.Metadata.Shape;
        int area = height * width;
        (int pixelStep, int channelStep) = _classifier.Metadata.ChannelsLast ? (channels, 1) : (1, area);
        for (int channel = 0; channel < channels; channel++)
        {
            ReadOnlySpan<TPixel> plane = planes.Slice(channel * area, area);
            for (int i = 0, at = channel * channelStep; i < plane.Length; i++, at += pixelStep)
                target[at] = TInput.CreateTruncating(plane[i]);
        }
    }
}
