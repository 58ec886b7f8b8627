using System.Security.Cryptography;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Reads a column that holds the bytes of an image file in each row.</summary>
internal sealed class EncodedImageReader : ImageReader
{
    private readonly ImageDecoder _decoder = new();
    private readonly ValueGetter<VBuffer<byte>> _getter;
    private VBuffer<byte> _file;
    private VBuffer<byte> _dense;

    public EncodedImageReader(ImageColumn column, DataViewRow row, DataViewSchema.Column source)
        : base(column, row)
    {
        _getter = row.GetGetter<VBuffer<byte>>(source);
    }

    public override EncodedImage Take()
    {
        byte[]? file = null;
        try
        {
            Fetched();
            file = _file.GetValues().ToArray();
            return new EncodedImage(Place(), file, Column);
        }
        catch (Exception exception) when (IsAboutTheImage(exception))
        {
            return new EncodedImage(file, Place().Error(exception));
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

    protected override void ReadCore(ImageShape shape, Span<byte> pixels) =>
        _decoder.Decode(_file.GetValues(), shape, pixels, Column.Resizing);
}
