using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The trainer's feature column, bound to a schema: which of the accepted kinds it is and what shape its images get.
/// Encoded images and MLImages become bytes 0 to 255; pixel vectors keep their values and their type.
/// </summary>
internal sealed class ImageColumn
{
    /// <summary>Width and height of encoded images when nobody says otherwise: small enough to train from scratch on a CPU.</summary>
    public const int DefaultSide = 64;

    private readonly DataViewSchema.Column _column;
    private readonly PixelLayout? _layout;

    private ImageColumn(DataViewSchema schema, DataViewSchema.Column column, ImageRequest request)
    {
        _column = column;
        Resizing = request.Resizing;
        PathColumn = ImagePathColumn.In(schema);

        if (column.Type is VectorDataViewType { IsKnownSize: true } vector)
        {
            _layout = PixelLayout.Of(Name, vector, request);
            PixelType = vector.ItemType == NumberDataViewType.Byte ? PixelType.Byte : PixelType.Float32;
            Shape = _layout.Value.Shape with { Channels = request.Channels ?? _layout.Value.Shape.Channels };
            (Width, Height) = (Shape.Value.Width, Shape.Value.Height);
        }
        else
        {
            if (request.Channels is not (null or 1 or 3))
                throw NotSupported(Name, $"images are read with 1 channel (grey) or 3 (colour), not {request.Channels}");
            PixelType = PixelType.Byte;
            var type = column.Type as ImageDataViewType;
            Width = request.Width ?? (type?.Width > 0 ? type.Width : request.Height ?? DefaultSide);
            Height = request.Height ?? (type?.Height > 0 ? type.Height : request.Width ?? DefaultSide);
            int? channels = request.Channels ?? (type is null ? null : 3);
            Shape = channels is int known ? new ImageShape(known, Height, Width) : null;
        }

        if (Math.Max(Width, Height) > ImageRequest.MaxSide)
        {
            throw NotSupported(Name, $"images of {Width} × {Height} pixels (width × height) are too large, a side has at most " +
                $"{ImageRequest.MaxSide}; " + (_layout is null ? "set ImageWidth and ImageHeight" : "make them smaller, or cut them"));
        }

        if (Shape is { } shape && (long)shape.Channels * shape.Height * shape.Width * sizeof(float) > Array.MaxLength)
            throw NotSupported(Name, $"images of {shape.Width} × {shape.Height} pixels and {shape.Channels} channels are too large");
    }

    public string Name => _column.Name;

    /// <summary>Shape of every image of the column; null where its channels depend on all images.</summary>
    public ImageShape? Shape { get; }

    /// <summary>Type of a pixel value: <see cref="PixelType.Byte"/>, or <see cref="PixelType.Float32"/> for vectors of float.</summary>
    public PixelType PixelType { get; }

    /// <summary>
    /// The columns that a cursor needs for <see cref="OpenReader"/>: the images, and for error messages the path where there is one.
    /// </summary>
    public IReadOnlyList<DataViewSchema.Column> Columns => PathColumn is { } path ? [_column, path] : [_column];

    /// <summary>All that the pixels depend on besides the images, as text.</summary>
    public string Settings => string.Create(CultureInfo.InvariantCulture,
        $"{_column.Type}, {_layout}, {Shape?.Channels} channels, {Shape?.Height ?? Height} × {Shape?.Width ?? Width}, {PixelType}, " +
            $"{Resizing}");

    /// <summary>What is taken for granted of the order of the values, for the log: colours of a vector of one dimension. Null where there
    /// is nothing to take for granted.</summary>
    public string? LayoutAssumed => _column.Type is VectorDataViewType { IsKnownSize: true, Dimensions.Length: 1 }
        && _layout is { Shape: { Channels: > 1 } stored }
        ? string.Create(CultureInfo.InvariantCulture,
            $"Feature column '{Name}' is a vector of one dimension, taken as {stored.Channels} planes of {stored.Width} × " +
            $"{stored.Height} pixels one after the other: all red, then green, then blue. If its values lie pixel by pixel, declare it " +
            $"as [VectorType({stored.Height}, {stored.Width}, {stored.Channels})].")
        : null;

    /// <summary>The paths of the images, for messages; null where the data has none.</summary>
    internal DataViewSchema.Column? PathColumn { get; }

    /// <summary>How a vector of pixels is laid out; null for images that are decoded.</summary>
    internal PixelLayout? Layout => _layout;

    internal ResizingKind Resizing { get; }

    internal int Width { get; }

    internal int Height { get; }

    /// <summary>
    /// Binds to a column of training data. Without requested channels, encoded images are taken in colour unless all of them are files that
    /// store grey values. Grey images are repeated and colour images weighted (BT.601) to fit the channels.
    /// </summary>
    public static ImageColumn Bind(DataViewSchema schema, string columnName, ImageRequest request)
    {
        DataViewSchema.Column column = NamedColumn.Find(schema, columnName, "feature");
        if (!IsSupported(column.Type))
            throw WrongType(column.Name, column.Type.ToString()!, column.Type is TextDataViewType);
        return new ImageColumn(schema, column, request);
    }

    /// <summary>
    /// Binds to a column that a trained model is to score. Grey and colour images are converted to what the model was trained on, and
    /// encoded images and MLImages are resized as in training; pixel values of another type are refused, since their scale would be a
    /// guess.
    /// </summary>
    public static ImageColumn Bind(
        DataViewSchema schema, string columnName, ImageShape modelShape, PixelType modelPixelType, ResizingKind resizing)
    {
        ImageColumn column = Bind(schema, columnName, new ImageRequest(modelShape, resizing));
        if (column.PixelType != modelPixelType)
        {
            throw NotSupported(columnName,
                $"the model was trained on {Describe(modelPixelType)}, this column holds {Describe(column.PixelType)}; "
                + "convert it (ConvertType) to the type and the scale of the training data");
        }

        return column;
    }

    /// <summary>
    /// Throws the same exception as <see cref="Bind(DataViewSchema, string, ImageRequest)"/> for a column of the wrong type, before there
    /// is data.
    /// </summary>
    public static void Check(SchemaShape.Column column)
    {
        bool supported = !column.IsKey && column.Kind switch
        {
            SchemaShape.Column.VectorKind.VariableVector => column.ItemType == NumberDataViewType.Byte,
            SchemaShape.Column.VectorKind.Vector => IsPixel(column.ItemType),
            _ => column.ItemType is ImageDataViewType,
        };
        bool isText = column.Kind == SchemaShape.Column.VectorKind.Scalar && column.ItemType is TextDataViewType;
        if (!supported)
            throw WrongType(column.Name, column.GetTypeString(), isText);
    }

    /// <summary>Reads the images of a row or cursor, in which <see cref="Columns"/> (at least the images) are active.</summary>
    public ImageReader OpenReader(DataViewRow row) => _column.Type switch
    {
        ImageDataViewType => new MLImageReader(this, row, _column),
        VectorDataViewType { IsKnownSize: false } => new EncodedImageReader(this, row, _column),
        _ when PixelType == PixelType.Byte => new PixelVectorReader<byte>(this, row, _column, _layout!.Value),
        _ => new PixelVectorReader<float>(this, row, _column, _layout!.Value),
    };

    internal static string Describe(PixelType type) => type == PixelType.Byte ? "bytes" : "float pixels";

    [SuppressMessage("Usage", "CA2208", Justification = "The schema is the argument of every caller.")]
    internal static ArgumentOutOfRangeException NotSupported(string columnName, string reason) =>
        new("schema", $"Feature column '{columnName}': {reason}.");

    private static bool IsSupported(DataViewType type) => type switch
    {
        ImageDataViewType => true,
        VectorDataViewType { IsKnownSize: true } vector => IsPixel(vector.ItemType),
        VectorDataViewType vector => vector.ItemType == NumberDataViewType.Byte,
        _ => false,
    };

    private static bool IsPixel(DataViewType type) => type == NumberDataViewType.Byte || type == NumberDataViewType.Single;

    private static ArgumentOutOfRangeException WrongType(string columnName, string found, bool isText) => NotSupported(columnName,
        "expected (a) a variable-size vector of Byte, the bytes of an image file (LoadRawImageBytes), (b) an MLImage (LoadImages), or "
        + $"(c) a known-size vector of Byte or Single, the pixels; found {found}"
        + (isText ? ". If the text is the path of an image, load it with mlContext.Transforms.LoadRawImageBytes or LoadImages" : ""));
}
