using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.SharpnessAware;
using Microsoft.ML.Transforms.Image;

// A file of version 0.1.0 names the assembly Microsoft.ML.SharpnessAware and the signature "ImageDecoder"; see EarlierClasses there.
// ML.NET does not let two assemblies have the same signature.
[assembly: LoadableClass(typeof(ImageDecodingTransformer), null, typeof(SignatureLoadModel), "Image decoder",
    ImageDecodingTransformer.LoaderSignature)]

namespace Microsoft.ML.SharpnessAware;

/// <summary>Decodes image files to <see cref="MLImage"/>, as training on the files themselves would see them. Made by
/// <c>DecodeImages</c>.</summary>
internal sealed class ImageDecodingTransformer(IHostEnvironment environment, string outputColumnName, string inputColumnName)
    : RowToRowTransformerBase(environment.Register(nameof(ImageDecodingTransformer)))
{
    internal const string LoaderSignature = "DecoderOfImages";

    public string OutputColumnName => outputColumnName;

    private static VersionInfo VersionInfo => new(
        modelSignature: "IMGDECOD", verWrittenCur: 0x00010001, verReadableCur: 0x00010001, verWeCanReadBack: 0x00010001,
        loaderSignature: LoaderSignature, loaderAssemblyName: typeof(ImageDecodingTransformer).Assembly.FullName!);

    protected override void SaveModel(ModelSaveContext ctx)
    {
        // *** Binary format ***
        // int: id of the name of the output column
        // int: id of the name of the input column
        ctx.CheckAtModel();
        ctx.SetVersionInfo(VersionInfo);
        ctx.SaveNonEmptyString(outputColumnName);
        ctx.SaveNonEmptyString(inputColumnName);
    }

    protected override IRowMapper MakeRowMapper(DataViewSchema schema)
    {
        ArgumentNullException.ThrowIfNull(schema);
        return new Mapper(this, Find(schema), ImagePathColumn.In(schema));
    }

    // Found by ML.NET by this name and signature.
    private static ImageDecodingTransformer Create(IHostEnvironment env, ModelLoadContext ctx)
    {
        ctx.CheckAtModel(VersionInfo);
        string output = ctx.LoadNonEmptyString();
        return new ImageDecodingTransformer(env, output, ctx.LoadNonEmptyString());
    }

    private DataViewSchema.Column Find(DataViewSchema schema)
    {
        DataViewSchema.Column column = schema.GetColumnOrNull(inputColumnName)
            ?? throw ImageColumn.NotSupported(inputColumnName, "there is no such column");
        return column.Type is VectorDataViewType { IsKnownSize: false } vector && vector.ItemType == NumberDataViewType.Byte
            ? column
            : throw ImageColumn.NotSupported(inputColumnName,
                $"expected a variable-size vector of Byte, the bytes of an image file, found {column.Type}");
    }

    /// <param name="parent">Whose it is.</param>
    /// <param name="input">The files.</param>
    /// <param name="path">Their paths, for messages; null where the data has none.</param>
    private sealed class Mapper(ImageDecodingTransformer parent, DataViewSchema.Column input, DataViewSchema.Column? path) : IRowMapper
    {
        public DataViewSchema.DetachedColumn[] GetOutputColumns() =>
            [new(parent.OutputColumnName, new ImageDataViewType(), annotations: null)];

        public Func<int, bool> GetDependencies(Func<int, bool> activeOutput) => column =>
            activeOutput(0) && (column == input.Index || column == path?.Index);

        public Delegate[] CreateGetters(DataViewRow row, Func<int, bool> activeOutput, out Action? disposer)
        {
            disposer = null;
            if (!activeOutput(0))
                return [null!];
            ValueGetter<VBuffer<byte>> getter = row.GetGetter<VBuffer<byte>>(input);
            ValueGetter<ReadOnlyMemory<char>>? getPath = path is { } column ? row.GetGetter<ReadOnlyMemory<char>>(column) : null;
            var source = new SourceRow(row);
            var decoder = new ImageDecoder();
            VBuffer<byte> file = default;
            return
            [
                (ValueGetter<MLImage>)((ref MLImage image) =>
                {
                    image?.Dispose();
                    image = null!;
                    try
                    {
                        getter(ref file);
                        image = Decode(decoder, [.. file.DenseValues()]);
                    }
                    catch (Exception exception) when (ImageReader.IsAboutTheImage(exception))
                    {
                        ReadOnlyMemory<char> where = default;
                        getPath?.Invoke(ref where);
                        throw new ImagePlace(input.Name, source.Number, where.ToString()).Error(exception);
                    }
                }),
            ];
        }

        public ITransformer GetTransformer() => parent;

        public void Save(ModelSaveContext ctx) => ((ICanSaveModel)parent).Save(ctx);

        private static MLImage Decode(ImageDecoder decoder, byte[] file)
        {
            (int width, int height) = ImageDecoder.ReadSize(file);
            byte[] planes = new byte[3 * width * height];
            decoder.Decode(file, new ImageShape(3, height, width), planes);
            byte[] pixels = new byte[4 * width * height];       // not before there is an image
            int area = width * height;
            for (int i = 0; i < area; i++)
            {
                for (int channel = 0; channel < 3; channel++)
                    pixels[(4 * i) + channel] = planes[(channel * area) + i];
                pixels[(4 * i) + 3] = byte.MaxValue;
            }

            return MLImage.CreateFromPixels(width, height, MLPixelFormat.Rgba32, pixels);
        }
    }
}
