using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms.Image;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Makes an <see cref="ImageDecodingTransformer"/>; there is nothing to fit.</summary>
internal sealed class ImageDecodingEstimator(IHostEnvironment environment, string outputColumnName, string inputColumnName)
    : IEstimator<ITransformer>
{
    public ITransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var transformer = new ImageDecodingTransformer(environment, outputColumnName, inputColumnName);
        transformer.GetOutputSchema(input.Schema);
        return transformer;
    }

    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        if (!inputSchema.TryFindColumn(inputColumnName, out SchemaShape.Column column))
            throw ImageColumn.NotSupported(inputColumnName, "there is no such column");
        if (column.Kind != SchemaShape.Column.VectorKind.VariableVector || column.ItemType != NumberDataViewType.Byte)
            throw ImageColumn.NotSupported(inputColumnName,
                $"expected a variable-size vector of Byte, the bytes of an image file, found {column.GetTypeString()}");
        var columns = inputSchema.ToDictionary(each => each.Name);
        columns[outputColumnName] = new SchemaShape.Column(outputColumnName, SchemaShape.Column.VectorKind.Scalar, new ImageDataViewType(),
            isKey: false);
        return new SchemaShape(columns.Values);
    }
}
