using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

public sealed partial record Augmentation
{
    /// <summary>
    /// Saves a picture (PNG) to look at: images as they are in the first column, and beside each what this augmentation makes of it in one
    /// epoch after the other.
    /// </summary>
    /// <param name="path">The file; one that exists is replaced.</param>
    /// <param name="images">Data with the images, as the trainer takes them.</param>
    /// <param name="featureColumnName">The column with the images.</param>
    /// <param name="count">
    /// How many images, each a row of the sheet. They are taken at even distances from all of the data where its length is known, else they
    /// are the first ones.
    /// </param>
    /// <param name="versions">How many augmented versions of each.</param>
    /// <param name="imageWidth">
    /// The width that images are brought to, as in the trainer's options. Default null: that of the data where it is fixed, else
    /// <paramref name="imageHeight"/> if that is given, else 64. A trainer that starts from weights takes 128 by default, or 224 for a
    /// vision transformer: give its size to see what it sees.
    /// </param>
    /// <param name="imageHeight">The height, likewise.</param>
    /// <param name="resizing">How images of another proportion are brought to that size, likewise.</param>
    /// <param name="seed">Decides what is drawn.</param>
    /// <remarks>
    /// For <see cref="Mixup"/> and <see cref="CutMix"/> the rows of the sheet are a mini-batch, so an image's partner is the one above it.
    /// <see cref="Cutout"/> fills with the mean colour of the images shown. Encoded images are shown in colour.
    /// </remarks>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range, or the column is missing or of another type.</exception>
    /// <exception cref="InvalidOperationException">
    /// There are no images, one cannot be read, or its pixels are not of one or three channels with values in [0, 1] or [0, 255].
    /// </exception>
    public void SaveContactSheet(
        string path, IDataView images, string featureColumnName = "Features", int count = 8, int versions = 8,
        int? imageWidth = null, int? imageHeight = null, ResizingKind resizing = ResizingKind.Fill, int seed = 0)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(images);
        CheckCount(count, nameof(count));
        CheckCount(versions, nameof(versions));

        using var scope = NewDisposeScope();
        var request = new ImageRequest(imageWidth, imageHeight) { Resizing = resizing };
        using Tensor originals = ContactSheet.Read(images, featureColumnName, count, request, out double white);
        var augmenter = new Augmenter(this, seed, white, PixelStatistics.FromData(originals).Mean);
        long[] rows = [.. Enumerable.Range(0, (int)originals.shape[0])];
        Tensor[] columns =
            [originals, .. Enumerable.Range(1, versions).Select(epoch => augmenter.Apply(originals, rows, epoch, CPU).Pixels)];
        ContactSheet.Save(path, [.. columns.Select(column => ContactSheet.ToBytes(column, white))]);
    }

    private static void CheckCount(int value, string name)
    {
        if (value is < 1 or > 100)
            throw new ArgumentOutOfRangeException(name, value, $"{name} must be 1 to 100.");
    }
}
