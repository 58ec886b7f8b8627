using System.Globalization;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Which mean and standard deviation a network's input is normalised with: (x - mean) / standard deviation for each channel.
/// </summary>
public sealed class PixelNormalization
{
    // Checkpoints name these fields: a training goes on only where they are called that and hold the same.
    private readonly double[]? _mean;
    private readonly double[]? _standardDeviation;
    private readonly string _name;

    private PixelNormalization(string name, PixelStatistics? ofColors = null) =>
        (_name, _mean, _standardDeviation) = (name, ofColors?.Mean.ToArray(), ofColors?.StandardDeviation.ToArray());

    /// <summary>Those of the training images, channel by channel.</summary>
    public static PixelNormalization FromData { get; } = new("from the data");

    /// <summary>
    /// Those of ImageNet's photographs, (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225) for red, green and blue in [0, 1]: what nearly all
    /// published weights were trained with.
    /// </summary>
    public static PixelNormalization ImageNet { get; } = new("ImageNet", new([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]));

    /// <summary>Given ones, for weights that were trained with others; (0.5, 0.5, 0.5) twice is frequent.</summary>
    /// <param name="mean">The mean of each channel, where black is 0 and white is 1.</param>
    /// <param name="standardDeviation">The standard deviation of each channel, in the same units.</param>
    /// <exception cref="ArgumentException">There are none, not as many means as deviations, or a deviation is not positive.</exception>
    public static PixelNormalization Of(IEnumerable<double> mean, IEnumerable<double> standardDeviation)
    {
        ArgumentNullException.ThrowIfNull(mean);
        ArgumentNullException.ThrowIfNull(standardDeviation);
        var statistics = new PixelStatistics([.. mean], [.. standardDeviation]);
        return new($"mean {Join(statistics.Mean)}, standard deviation {Join(statistics.StandardDeviation)}", statistics);

        static string Join(IReadOnlyList<double> values) =>
            $"({string.Join(", ", values.Select(value => value.ToString(CultureInfo.InvariantCulture)))})";
    }

    /// <summary>Where the numbers come from, for logs.</summary>
    public override string ToString() => _name;

    /// <summary>The numbers for training data, in the units of its pixels as they are stored.</summary>
    /// <exception cref="InvalidOperationException">The given numbers do not fit the data.</exception>
    internal PixelStatistics For(ImageDataset training)
    {
        if (_mean is null || _standardDeviation is null)
            return PixelStatistics.FromData(training);
        CheckChannels(training.Shape);
        return Scaled(PixelScale.WhiteForSure(training), training.PixelType);
    }

    /// <summary>The numbers for bytes of a shape, before there are images; null where it is images that tell them.</summary>
    /// <exception cref="InvalidOperationException">The given numbers do not fit the shape.</exception>
    internal PixelStatistics? ForBytes(ImageShape shape)
    {
        if (_mean is null)
            return null;
        CheckChannels(shape);
        return ForBytes();
    }

    /// <summary>The numbers for bytes, whatever the images.</summary>
    /// <exception cref="InvalidOperationException">They are <see cref="FromData"/>.</exception>
    internal PixelStatistics ForBytes() => Scaled(byte.MaxValue, ScalarType.Byte);

    /// <exception cref="InvalidOperationException">The given numbers do not fit the shape.</exception>
    internal void CheckChannels(ImageShape shape)
    {
        if (_mean is not null && _mean.Length != shape.Channels)
        {
            throw new InvalidOperationException(
                $"The normalisation ({_name}) is for {_mean.Length} channels, but the images have {shape.Channels}; " +
                ((_mean.Length, shape.Channels) is (1, 3) or (3, 1)
                    ? $"set ImageChannels to {_mean.Length} to convert them, "
                    : $"give numbers for {shape.Channels} channels, ") +
                $"or normalise {FromData}.");
        }
    }

    private PixelStatistics Scaled(double white, ScalarType pixelType) => _mean is null || _standardDeviation is null
        ? throw new InvalidOperationException("There are no images to take the numbers from.")
        : new([.. _mean.Select(value => value * white)], [.. _standardDeviation.Select(value => value * white)], pixelType);
}
