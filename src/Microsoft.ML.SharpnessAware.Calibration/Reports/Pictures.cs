using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The thumbnails and paths of the rows that a report shows of one model.</summary>
internal sealed class Pictures
{
    private readonly Dictionary<long, (Thumbnail? Image, string? Path)> _ofRow;

    private Pictures(Dictionary<long, (Thumbnail? Image, string? Path)> ofRow) => _ofRow = ofRow;

    public static Pictures Of(IDataView data, ExampleImages images, IEnumerable<(long Row, DataViewRowId Id)> rows, IChannel channel) =>
        new(images.Read(data, rows, channel));

    public ReportExample[] Examples(IEnumerable<ReportRow> rows, IReadOnlyList<string> classes) =>
    [
        .. rows.Select(row =>
        {
            (Thumbnail? image, string? path) = _ofRow.GetValueOrDefault(row.Row);
            return new ReportExample(row, classes[row.Label], classes[row.Predicted], path, image);
        }),
    ];

    public SetExample Example(LargeSet set, IReadOnlyList<string> classes)
    {
        (Thumbnail? image, string? path) = _ofRow.GetValueOrDefault(set.Row);
        return new SetExample(set, classes[set.Label], [.. set.First.Select(k => classes[k])], path, image);
    }
}
