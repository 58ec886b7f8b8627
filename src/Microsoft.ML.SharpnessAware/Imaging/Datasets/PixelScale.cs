using System.Globalization;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Which value of a pixel is white, for what is defined on colours and not on numbers.</summary>
internal static class PixelScale
{
    private const long ChunkRows = 1024;

    // 255 times a float of 1/255 may be a little more than 1. And no set of pictures is so dark that none has a pixel of a quarter of
    // white.
    private const float MostOfUnit = 1.001f, LeastOfBytes = 64;

    /// <summary>255 for bytes; for floats 1 if they all lie in [0, 1], 255 if in [0, 255].</summary>
    /// <exception cref="InvalidOperationException">Floats lie outside of [0, 255], so that nothing says what they mean.</exception>
    public static double White(ImageDataset data) => data.PixelType == ScalarType.Byte ? 255 : White(Range(data));

    /// <summary>As for a data set, of pixels [N, C, H, W].</summary>
    public static double White(Tensor pixels) => pixels.dtype == ScalarType.Byte
        ? 255
        : White(Range(Chunks(pixels.shape[0], ChunkRows, (start, count) => pixels.narrow(0, start, count))));

    /// <summary>The same where it has to be known for sure.</summary>
    /// <exception cref="InvalidOperationException">Nothing says it, as with floats from 0 to 10.</exception>
    public static double WhiteForSure(ImageDataset data) =>
        data.PixelType == ScalarType.Byte ? 255 : Range(data) is var range && Known(range) is double white ? white : throw Unknown(range);

    /// <summary>The same; null where nothing says it.</summary>
    public static double? Known(ImageDataset data) => data.PixelType == ScalarType.Byte ? 255 : Known(Range(data));

    /// <summary>As <see cref="White(ImageDataset)"/>; null where that is an error.</summary>
    public static double? Likely(ImageDataset data) => data.PixelType == ScalarType.Byte ? 255 : Likely(Range(data));

    private static (float Smallest, float Largest) Range(ImageDataset data)
    {
        if (data.SharedBy is not { } group)
            return Range(Chunks(data.Count, data.RowsPerChunk, data.Batch));

        using ImageDataset here = data.Here();
        float[] all = new float[2 * group.Size];
        (all[2 * group.Rank], all[(2 * group.Rank) + 1]) = Range(Chunks(here.Count, here.RowsPerChunk, here.Batch));
        group.AllReduceSum(all);
        return Range(Enumerable.Range(0, group.Size).Select(rank => (all[2 * rank], all[(2 * rank) + 1])));
    }

    private static IEnumerable<(float Smallest, float Largest)> Chunks(long count, long rows, Func<long, long, Tensor> batch)
    {
        for (long start = 0; start < count; start += rows)
        {
            using var scope = NewDisposeScope();
            Tensor chunk = batch(start, Math.Min(rows, count - start));
            yield return (chunk.min().item<float>(), chunk.max().item<float>());
        }
    }

    private static (float Smallest, float Largest) Range(IEnumerable<(float Smallest, float Largest)> chunks) => chunks.Aggregate(
        (float.PositiveInfinity, float.NegativeInfinity), (a, b) => (Math.Min(a.Item1, b.Smallest), Math.Max(a.Item2, b.Largest)));

    private static double? Known((float Smallest, float Largest) range) => range switch
    {
        ( >= 0, <= MostOfUnit) => 1,
        ( >= 0, >= LeastOfBytes and <= 255) => 255,
        _ => null,
    };

    // What is done to colours in training does no harm to pixels of other units.
    private static double White((float Smallest, float Largest) range) => Likely(range) ?? throw Unknown(range);

    private static double? Likely((float Smallest, float Largest) range) => Known(range) ?? (range is ( >= 0, <= 255) ? 255 : null);

    private static InvalidOperationException Unknown((float Smallest, float Largest) range) => new(
        string.Create(CultureInfo.InvariantCulture, $"The float pixels run from {range.Smallest} to {range.Largest}. ") +
        "Augmentation that changes colours (ColorJitter, RandAugment), statistics that are given as colours (ImageNet's) and " +
        "pictures need values in [0, 1] or [0, 255]: rescale the pixels, or choose other settings.");
}
