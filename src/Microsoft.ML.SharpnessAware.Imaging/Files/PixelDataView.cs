using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Images that lie in memory as bytes, with a number as label: columns Label (text) and Image (vector of Byte with the dimensions channels,
/// height, width).
/// </summary>
internal static class PixelDataView
{
    private static readonly ReadOnlyMemory<char>[] LabelTexts =
        [.. Enumerable.Range(0, 256).Select(label => label.ToString(CultureInfo.InvariantCulture).AsMemory())];

    public static IDataView Create(
        IHostEnvironment environment, ImageShape shape, IReadOnlyList<ReadOnlyMemory<byte>> images, IReadOnlyList<byte> labels) =>
        new IndexedDataView(
            environment, labels.Count, IndexedDataView.Text("Label", row => LabelTexts[labels[row]]),
            IndexedDataView.Bytes("Image", new(NumberDataViewType.Byte, shape.Channels, shape.Height, shape.Width), (row, ref value) =>
            {
                VBufferEditor<byte> editor = VBufferEditor.Create(ref value, images[row].Length);
                images[row].Span.CopyTo(editor.Values);
                value = editor.Commit();
            }));
}
