using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// How a known-size vector of pixels is arranged: planes one after the other (channels first), or pixel by pixel (channels last).
/// </summary>
internal readonly record struct PixelLayout(ImageShape Shape, bool ChannelsLast)
{
    private const int MostChannels = 4;

    /// <summary>
    /// The layout of a vector column. Three dimensions say it all: channels first if the first is the requested number of channels or,
    /// failing that, 1, 3 or 4; else last by the same rule. Two are a grey image, height × width. One needs the requested width and height
    /// and is planar, of as many channels as there are values for. So do more dimensions of which only one is above 1, since features of a
    /// network come like that.
    /// </summary>
    public static PixelLayout Of(string columnName, VectorDataViewType type, ImageRequest request)
    {
        int[] dimensions = [.. type.Dimensions];
        bool isList = IsList(type);
        if (isList && request is not { Width: not null, Height: not null })
            throw NoShape(columnName, type);
        PixelLayout layout = isList ? Flat(columnName, type.Size, request) : dimensions.Length switch
        {
            2 => new(new(1, dimensions[0], dimensions[1]), ChannelsLast: false),
            3 => Spatial(columnName, type, request),
            _ => throw Error(columnName, $"an image has two or three dimensions, this column's type is {type}"),
        };

        ImageShape shape = layout.Shape;
        if ((request.Width ?? shape.Width) != shape.Width || (request.Height ?? shape.Height) != shape.Height)
        {
            throw Error(columnName,
                $"its pixels are {shape.Width} × {shape.Height} (width × height), "
                + $"asked for were {request.Width ?? shape.Width} × {request.Height ?? shape.Height}; "
                + "pixel vectors are not resized, so resize the images before their pixels are extracted");
        }

        if (request.Channels is int channels && channels != shape.Channels && (channels, shape.Channels) is not ((1, 3) or (3, 1)))
            throw Error(columnName, $"its pixels have {shape.Channels} channels and cannot be converted to {channels}");
        return layout;
    }

    private static PixelLayout Spatial(string columnName, VectorDataViewType type, ImageRequest request)
    {
        (int first, int second, int third) = (type.Dimensions[0], type.Dimensions[1], type.Dimensions[2]);
        if (first == request.Channels)
            return First();
        if (third == request.Channels)
            return Last();
        if (first is 1 or 3 or 4)
            return First();
        if (third is 1 or 3 or 4)
            return Last();
        throw Error(columnName, $"neither the first nor the last dimension of {type} is 1, 3 or 4 (channels); give a vector of one "
            + $"dimension, of {type.Size} values, with the channels one after the other, and set ImageWidth and ImageHeight");

        PixelLayout First() => new(new(first, second, third), ChannelsLast: false);
        PixelLayout Last() => new(new(third, first, second), ChannelsLast: true);
    }

    /// <summary>Whether the vector is a list of values, whatever its dimensions: all but one of them are 1, and that one is longer than a
    /// pixel has channels.</summary>
    public static bool IsList(VectorDataViewType type) =>
        type.Dimensions.Length == 1 || (type.Size > MostChannels && type.Dimensions.Contains(type.Size));

    private static PixelLayout Flat(string columnName, int size, ImageRequest request)
    {
        (int width, int height) = (request.Width!.Value, request.Height!.Value);
        long area = (long)width * height;
        int stored = (int)Math.Max(1, size / area);
        int channels = request.Channels is int wanted && (wanted, stored) is not ((1, 3) or (3, 1)) ? wanted : stored;
        if (channels * area != size)
        {
            throw Error(columnName,
                $"the vector has {size} values, but {channels} channels × {height} rows × {width} columns are {channels * area}; "
                + "correct the vector, or the width, height and channels that are asked for");
        }

        return new(new(channels, height, width), ChannelsLast: false);
    }

    private static ArgumentOutOfRangeException NoShape(string columnName, VectorDataViewType type)
    {
        string features = type.ItemType != NumberDataViewType.Single ? "" : ". If these are features of a network and not pixels, name the "
            + "column of images here, or give the features to another trainer, such as LbfgsMaximumEntropy, with a calibrator behind it";
        return Error(columnName, $"a vector of {string.Join(" × ", type.Dimensions)} values does not tell the shape of an image; "
            + $"set ImageWidth and ImageHeight{features}");
    }

    private static ArgumentOutOfRangeException Error(string columnName, string reason) => ImageColumn.NotSupported(columnName, reason);
}
