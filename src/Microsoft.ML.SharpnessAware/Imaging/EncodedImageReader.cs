using System.Security.Cryptography;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Reads a column that holds the bytes of an image file in each row.</summary>
internal sealed class EncodedImageReader : ImageReader
{
    private readonly ImageDecoder _decoder = new();
    private readonly ValueGetter<VBuffer<byte>> _getter;
    private readonly bool _convertsChannels;
    private VBuffer<byte> _file;
    private VBuffer<byte> _dense;

    public EncodedImageReader(ImageColumn column, DataViewRow row, DataViewSchema.Column source)
        : base(column, row)
    {
        _getter = row.GetGetter<VBuffer<byte>>(source);
        _convertsChannels = column.Shape is not null;
    }

    public override EncodedImage Take()
    {
        byte[]? file = null;
        try
        {
            Fetched();
            file = _file.GetValues().ToArray();
            return new EncodedImage(Place(), file, GetShape(), Column.ResizeMode, _convertsChannels);
        }
        catch (Exception exception) when (IsAboutTheImage(exception))
        {
            return new EncodedImage(file, Place().Error(exception));
        }
        catch (InvalidOperationException exception) when (IsAboutOneImage(exception))
        {
            return new EncodedImage(file, exception);
        }
    }

    protected override void Fetch()
    {
        _getter(ref _file);
        if (_file.IsDense)
            return;
        _file.CopyToDense(ref _dense);
        (_file, _dense) = (_dense, _file);
    }

    protected override void AppendContent(IncrementalHash hash) => Append(hash, _file.GetValues());

    protected override int ReadChannels() => ImageDecoder.ReadChannels(_file.GetValues());

    protected override void ReadCore(ImageShape shape, Span<byte> pixels) =>
        EncodedImage.Decode(_decoder, _file.GetValues(), shape, pixels, Column.ResizeMode, _convertsChannels);
}
