using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Pictures for calibration reports, of any column of images that the trainer takes. Found by its name, see
/// ReportImages.</summary>
internal sealed class ReportThumbnails : IReportImages
{
    public IThumbnailColumn? Bind(DataViewSchema schema, string? columnName, int? width, int? height)
    {
        columnName ??= schema.Where(column => !column.IsHidden).Where(column => Rank(column.Type) < int.MaxValue)
            .OrderBy(column => Rank(column.Type)).Select(column => column.Name).FirstOrDefault();
        return string.IsNullOrEmpty(columnName)
            ? null : new ThumbnailColumn(ImageColumn.Bind(schema, columnName, new ImageRequest(width, height)));
    }

    /// <summary>Lower is more likely what a human wants to see; the largest number is no image at all.</summary>
    private static int Rank(DataViewType type) => type switch
    {
        ImageDataViewType => 0,
        VectorDataViewType { IsKnownSize: false } vector when vector.ItemType == NumberDataViewType.Byte => 1,
        VectorDataViewType { IsKnownSize: true } vector when HasImageDimensions(vector) =>
            vector.ItemType == NumberDataViewType.Byte ? 2 : vector.ItemType == NumberDataViewType.Single ? 3 : int.MaxValue,
        _ => int.MaxValue,
    };

    private static bool HasImageDimensions(VectorDataViewType vector)
        => vector.Dimensions.Length == 3 && (vector.Dimensions[0] is 1 or 3 or 4 || vector.Dimensions[2] is 1 or 3 or 4)
            && vector.Dimensions.All(side => side <= ImageRequest.MaxSide) && !PixelLayout.IsList(vector);

    private sealed class ThumbnailColumn(ImageColumn images) : IThumbnailColumn
    {
        public DataViewSchema.Column Source => images.Columns[0];

        public Func<Thumbnail> Open(DataViewRow row) => new ThumbnailReader().Open(images, row);
    }
}
