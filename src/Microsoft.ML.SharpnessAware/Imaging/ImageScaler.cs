namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Resizes a bitmap to planes [channels, height, width] of bytes: transparent pixels over white, colour to grey by the luma weights of
/// BT.601, size by <see cref="AxisWeights"/> along rows, then along columns, in float and rounded once.
/// </summary>
internal sealed class ImageScaler
{
    private AxisWeights _horizontal = new(1, 1);
    private AxisWeights _vertical = new(1, 1);
    private float[] _row = [];
    private float[] _rows = [];
    private float[] _sum = [];

    public static float Grey(float red, float green, float blue) => (0.299f * red) + (0.587f * green) + (0.114f * blue);

    public void Scale(Bitmap source, ImageShape shape, Span<byte> planes, ResizeMode mode = ResizeMode.Stretch)
    {
        ResizeGeometry geometry = ResizeGeometry.Of(mode, source.ImageWidth, source.ImageHeight, shape.Width, shape.Height);
        PixelBox target = geometry.Target;
        Prepare(ref _horizontal, source.Width, target.Width, geometry.Left, geometry.Width);
        Prepare(ref _vertical, source.Height, target.Height, geometry.Top, geometry.Height);
        int channels = source.Format == BitmapFormat.Grey ? 1 : shape.Channels;
        int stride = channels * target.Width;
        Span<float> row = Buffer(ref _row, channels * source.Width);
        Span<float> rows = Buffer(ref _rows, stride * _vertical.Taps);
        Span<float> sum = Buffer(ref _sum, stride);

        if (target.Width < shape.Width || target.Height < shape.Height)
            planes.Clear();
        int area = shape.Height * shape.Width, next = 0;
        for (int y = 0; y < target.Height; y++)
        {
            // Only the rows that a target row is made of are kept, so that a file that is very tall takes no more memory.
            ReadOnlySpan<float> weights = _vertical.Of(y, out int first);
            for (next = Math.Max(next, first); next < first + weights.Length; next++)
            {
                ToPlanes(source.Row(next), source.Format, channels, row);
                Span<float> scaled = rows.Slice(next % _vertical.Taps * stride, stride);
                for (int channel = 0; channel < channels; channel++)
                    ScaleRow(row.Slice(channel * source.Width, source.Width), scaled.Slice(channel * target.Width, target.Width));
            }

            SumRows(weights, first, rows, sum);
            int start = ((target.Top + y) * shape.Width) + target.Left;
            for (int channel = 0; channel < channels; channel++)
                Round(sum.Slice(channel * target.Width, target.Width), planes.Slice((channel * area) + start, target.Width));
        }

        for (int channel = channels; channel < shape.Channels; channel++)
            planes[..area].CopyTo(planes[(channel * area)..]);
    }

    private static void Prepare(ref AxisWeights weights, int source, int target, double from, double length)
    {
        if (weights.Source != source || weights.Target != target || weights.From != from || weights.Length != length)
            weights = new AxisWeights(source, target, from, length);
    }

    private static Span<float> Buffer(ref float[] buffer, int length)
    {
        if (buffer.Length < length)
            buffer = GC.AllocateUninitializedArray<float>(length);
        return buffer.AsSpan(0, length);
    }

    private static void ToPlanes(ReadOnlySpan<byte> source, BitmapFormat format, int channels, Span<float> planes)
    {
        if (format == BitmapFormat.Grey)
        {
            for (int x = 0; x < source.Length; x++)
                planes[x] = source[x];
            return;
        }

        int width = source.Length / 4;
        (int red, int blue) = format == BitmapFormat.Rgba ? (0, 2) : (2, 0);
        for (int x = 0; x < width; x++)
        {
            ReadOnlySpan<byte> pixel = source.Slice(4 * x, 4);
            int white = 255 - pixel[3];
            float r = Math.Min(255, pixel[red] + white);
            float g = Math.Min(255, pixel[1] + white);
            float b = Math.Min(255, pixel[blue] + white);
            if (channels == 1)
            {
                planes[x] = Grey(r, g, b);
            }
            else
            {
                planes[x] = r;
                planes[width + x] = g;
                planes[(2 * width) + x] = b;
            }
        }
    }

    private static void Round(ReadOnlySpan<float> values, Span<byte> bytes)
    {
        for (int x = 0; x < bytes.Length; x++)
            bytes[x] = (byte)(values[x] + 0.5f);
    }

    private void ScaleRow(ReadOnlySpan<float> source, Span<float> target)
    {
        for (int x = 0; x < target.Length; x++)
        {
            ReadOnlySpan<float> weights = _horizontal.Of(x, out int start);
            ReadOnlySpan<float> taps = source.Slice(start, weights.Length);
            float sum = 0;
            for (int k = 0; k < weights.Length; k++)
                sum += weights[k] * taps[k];
            target[x] = sum;
        }
    }

    private static void SumRows(ReadOnlySpan<float> weights, int first, ReadOnlySpan<float> rows, Span<float> sum)
    {
        sum.Clear();
        for (int k = 0; k < weights.Length; k++)
        {
            ReadOnlySpan<float> row = rows.Slice((first + k) % weights.Length * sum.Length, sum.Length);
            float weight = weights[k];
            for (int x = 0; x < sum.Length; x++)
                sum[x] += weight * row[x];
        }
    }
}
