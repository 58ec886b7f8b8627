using System.Runtime.Intrinsics;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Resizes a bitmap to planes [channels, height, width] of bytes: transparent pixels over white, colour to grey by the luma weights of
/// BT.601, size by <see cref="AxisWeights"/> along columns, then along rows, in float and rounded once.
/// </summary>
/// <remarks>
/// Everything before rounding is linear, so the order is free: columns come first because whole rows of bytes are then added up in
/// vectors, and white and grey come last because there are fewest pixels then.
/// </remarks>
internal sealed class ImageScaler
{
    private AxisWeights _horizontal = new(1, 1);
    private AxisWeights _vertical = new(1, 1);
    private float[] _sum = [];
    private bool _hasAlpha;

    public static float Grey(float red, float green, float blue) => (0.299f * red) + (0.587f * green) + (0.114f * blue);

    public void Scale(Bitmap source, ImageShape shape, Span<byte> planes, ResizingKind resizing = ResizingKind.Fill)
    {
        _hasAlpha = source.HasAlpha;
        ResizeGeometry geometry = ResizeGeometry.Of(resizing, source.ImageWidth, source.ImageHeight, shape.Width, shape.Height)
            .Mirrored(source.Origin.MirrorsColumns(), source.Origin.MirrorsRows(), shape.Width, shape.Height);
        PixelBox target = geometry.Target;
        Prepare(ref _horizontal, source.Width, target.Width, geometry.Left, geometry.Width, source.IsReduced);
        Prepare(ref _vertical, source.Height, target.Height, geometry.Top, geometry.Height, source.IsReduced);
        int bytesPerPixel = source.Format == BitmapFormat.Grey ? 1 : 4;
        if (_sum.Length < source.Width * bytesPerPixel)
            _sum = GC.AllocateUninitializedArray<float>(source.Width * bytesPerPixel);
        Span<float> sum = _sum.AsSpan(0, source.Width * bytesPerPixel);

        if (target.Width < shape.Width || target.Height < shape.Height)
            planes.Clear();
        int area = shape.Height * shape.Width;
        for (int y = 0; y < target.Height; y++)
        {
            SumRows(source, y, bytesPerPixel, sum);
            Span<byte> rows = planes[(((target.Top + y) * shape.Width) + target.Left)..];
            if (source.Format == BitmapFormat.Grey)
                ScaleGreyRow(sum, rows);
            else if (shape.Channels == 1)
                ScaleRowToGrey(sum, source.Format, rows);
            else
                ScaleColorRow(sum, source.Format, rows, area);
        }

        if (source.Format == BitmapFormat.Grey)
        {
            for (int channel = 1; channel < shape.Channels; channel++)
                planes[..area].CopyTo(planes[(channel * area)..]);
        }
    }

    private static void Prepare(ref AxisWeights weights, int source, int target, double from, double length, bool isReduced)
    {
        if (weights.Source != source || weights.Target != target || weights.From != from || weights.Length != length
            || weights.IsReduced != isReduced)
            weights = new AxisWeights(source, target, from, length, isReduced);
    }

    /// <summary>The weighted sum of the source rows that make row <paramref name="y"/> of the target, where columns need it.</summary>
    private void SumRows(Bitmap source, int y, int bytesPerPixel, Span<float> sum)
    {
        (int first, int last) = (_horizontal.Used.First * bytesPerPixel, _horizontal.Used.Last * bytesPerPixel);
        sum = sum[first..last];
        sum.Clear();
        ReadOnlySpan<float> weights = _vertical.Of(y, out int start);
        for (int k = 0; k < weights.Length; k++)
            AddRow(source.Row(start + k)[first..last], weights[k], sum);
    }

    private static void AddRow(ReadOnlySpan<byte> row, float weight, Span<float> sum)
    {
        if (weight == 0)
            return;
        Vector256<float> factor = Vector256.Create(weight);
        int i = 0;
        for (; i <= row.Length - Vector256<byte>.Count; i += Vector256<byte>.Count)
        {
            (Vector256<ushort> lower, Vector256<ushort> upper) = Vector256.Widen(Vector256.Create(row[i..]));
            (Vector256<uint> first, Vector256<uint> second) = Vector256.Widen(lower);
            (Vector256<uint> third, Vector256<uint> fourth) = Vector256.Widen(upper);
            Add(first, sum[i..], factor);
            Add(second, sum[(i + 8)..], factor);
            Add(third, sum[(i + 16)..], factor);
            Add(fourth, sum[(i + 24)..], factor);
        }

        for (; i < row.Length; i++)
            sum[i] += weight * row[i];

        static void Add(Vector256<uint> values, Span<float> sum, Vector256<float> factor) =>
            (Vector256.Create<float>(sum) + (factor * Vector256.ConvertToSingle(values.AsInt32()))).CopyTo(sum);
    }

    private void ScaleGreyRow(ReadOnlySpan<float> row, Span<byte> target)
    {
        for (int x = 0; x < _horizontal.Target; x++)
        {
            ReadOnlySpan<float> weights = _horizontal.Of(x, out int start);
            ReadOnlySpan<float> taps = row.Slice(start, weights.Length);
            float sum = 0;
            for (int k = 0; k < weights.Length; k++)
                sum += weights[k] * taps[k];
            target[x] = Round(sum);
        }
    }

    private void ScaleRowToGrey(ReadOnlySpan<float> row, BitmapFormat format, Span<byte> target)
    {
        for (int x = 0; x < _horizontal.Target; x++)
        {
            Vector128<float> pixel = Pixel(row, x);
            target[x] = Round(format == BitmapFormat.Rgba ? Grey(pixel[0], pixel[1], pixel[2]) : Grey(pixel[2], pixel[1], pixel[0]));
        }
    }

    private void ScaleColorRow(ReadOnlySpan<float> row, BitmapFormat format, Span<byte> red, int area)
    {
        Span<byte> green = red[area..], blue = green[area..];
        if (format == BitmapFormat.Bgra)
        {
            Span<byte> first = red;
            red = blue;
            blue = first;
        }

        for (int x = 0; x < _horizontal.Target; x++)
        {
            Vector128<float> pixel = Pixel(row, x);
            red[x] = Round(pixel[0]);
            green[x] = Round(pixel[1]);
            blue[x] = Round(pixel[2]);
        }
    }

    /// <summary>Pixel <paramref name="x"/> of the target, over white. (Colours are premultiplied, so what alpha lacks is white.)</summary>
    private Vector128<float> Pixel(ReadOnlySpan<float> row, int x)
    {
        ReadOnlySpan<float> weights = _horizontal.Of(x, out int start);
        ReadOnlySpan<float> taps = row.Slice(4 * start, 4 * weights.Length);
        Vector128<float> sum = Vector128<float>.Zero;
        for (int k = 0; k < weights.Length; k++)
            sum += weights[k] * Vector128.Create(taps[(4 * k)..]);
        return _hasAlpha ? sum + Vector128.Create(255 - sum[3]) : sum;
    }

    private static byte Round(float value) => (byte)Math.Clamp(value + 0.5f, 0, 255);
}
