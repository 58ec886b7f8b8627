using System.Numerics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Reads a column of known-size pixel vectors, dense or sparse, of byte or float.</summary>
internal sealed class PixelVectorReader<T> : ImageReader
    where T : unmanaged, INumber<T>
{
    private readonly ValueGetter<VBuffer<T>> _getter;
    private readonly PixelLayout _layout;
    private readonly T[] _scratch;
    private VBuffer<T> _vector;

    public PixelVectorReader(ImageColumn column, DataViewRow row, DataViewSchema.Column source, PixelLayout layout)
        : base(column, row)
    {
        _getter = row.GetGetter<VBuffer<T>>(source);
        _layout = layout;
        _scratch = new T[layout.Shape.Channels * layout.Shape.Height * layout.Shape.Width];
    }

    protected override void Fetch()
    {
        _getter(ref _vector);
        if (_vector.Length != _scratch.Length)
            throw new InvalidDataException($"the vector has {_vector.Length} values, the column's type says {_scratch.Length}.");
    }

    protected override void AppendContent(IncrementalHash hash)
    {
        _vector.CopyTo(_scratch);
        Append(hash, MemoryMarshal.AsBytes<T>(_scratch));
    }

    protected override void ReadCore(ImageShape shape, Span<byte> pixels)
    {
        Span<T> target = MemoryMarshal.Cast<byte, T>(pixels);
        bool asStored = !_layout.ChannelsLast && shape.Channels == _layout.Shape.Channels;
        Span<T> values = asStored ? target : _scratch;
        _vector.CopyTo(values);
        CheckFinite(values);
        if (!asStored)
            Rearrange(values, target, shape.Channels);
    }

    private static void CheckFinite(ReadOnlySpan<T> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            if (!T.IsFinite(values[i]))
                throw new InvalidDataException($"pixel value {i} is {values[i]}. Every value must be a finite number.");
        }
    }

    private void Rearrange(ReadOnlySpan<T> source, Span<T> target, int channels)
    {
        int stored = _layout.Shape.Channels;
        int area = _layout.Shape.Height * _layout.Shape.Width;
        (int pixelStep, int channelStep) = _layout.ChannelsLast ? (stored, 1) : (1, area);
        if (channels == 1 && stored == 3)
        {
            for (int i = 0, at = 0; i < area; i++, at += pixelStep)
                target[i] = Grey(source[at], source[at + channelStep], source[at + (2 * channelStep)]);
            return;
        }

        for (int channel = 0; channel < channels; channel++)
        {
            Span<T> plane = target.Slice(channel * area, area);
            int at = stored == 1 ? 0 : channel * channelStep;
            for (int i = 0; i < area; i++, at += pixelStep)
                plane[i] = source[at];
        }
    }

    private static T Grey(T red, T green, T blue)
    {
        float grey = ImageScaler.Grey(float.CreateTruncating(red), float.CreateTruncating(green), float.CreateTruncating(blue));
        return T.CreateTruncating(typeof(T) == typeof(byte) ? grey + 0.5f : grey);
    }
}
