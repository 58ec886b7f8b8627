using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Images that lie in memory as bytes, with a number as label: columns Label (text) and Image (vector of Byte with the dimensions channels,
/// height, width). A row is copied only when its Image is asked for; any number of cursors can run at once, in order or shuffled.
/// </summary>
internal sealed class PixelDataView : IDataView
{
    private static readonly ReadOnlyMemory<char>[] LabelTexts =
        [.. Enumerable.Range(0, 256).Select(label => label.ToString(CultureInfo.InvariantCulture).AsMemory())];

    private readonly IHost _host;
    private readonly IReadOnlyList<ReadOnlyMemory<byte>> _images;
    private readonly IReadOnlyList<byte> _labels;

    public PixelDataView(
        IHostEnvironment environment, ImageShape shape, IReadOnlyList<ReadOnlyMemory<byte>> images, IReadOnlyList<byte> labels)
    {
        _host = environment.Register(nameof(PixelDataView));
        (_images, _labels) = (images, labels);
        var builder = new DataViewSchema.Builder();
        builder.AddColumn("Label", TextDataViewType.Instance);
        builder.AddColumn("Image", new VectorDataViewType(NumberDataViewType.Byte, shape.Channels, shape.Height, shape.Width));
        Schema = builder.ToSchema();
    }

    public bool CanShuffle => true;

    public DataViewSchema Schema { get; }

    public long? GetRowCount() => _labels.Count;

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        bool[] active = new bool[Schema.Count];
        foreach (DataViewSchema.Column column in columnsNeeded)
            active[column.Index] = true;

        int[]? order = null;
        if (rand is not null)
            rand.Shuffle(order = [.. Enumerable.Range(0, _labels.Count)]);
        return new Cursor(this, active, order);
    }

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];

    private sealed class Cursor(PixelDataView parent, bool[] active, int[]? order) : RootCursorBase(parent._host)
    {
        private int _row = -1;

        public override DataViewSchema Schema => parent.Schema;

        public override long Batch => 0;

        public override bool IsColumnActive(DataViewSchema.Column column) => active[column.Index];

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            if (!IsColumnActive(column))
                throw parent._host.ExceptParam(nameof(column), $"Column '{column.Name}' was not asked for when the cursor was made.");
            Delegate getter = column.Index == 0 ? (ValueGetter<ReadOnlyMemory<char>>)GetLabel : (ValueGetter<VBuffer<byte>>)GetImage;
            return getter as ValueGetter<TValue>
                ?? throw parent._host.ExceptParam(nameof(TValue), $"Column '{column.Name}' is {column.Type}, not {typeof(TValue)}.");
        }

        public override ValueGetter<DataViewRowId> GetIdGetter() =>
            (ref DataViewRowId value) => value = new DataViewRowId((ulong)CurrentRow(), 0);

        protected override bool MoveNextCore()
        {
            int next = (int)Position + 1;
            if (next >= parent._labels.Count)
                return false;
            _row = order?[next] ?? next;
            return true;
        }

        private int CurrentRow() => IsGood ? _row : throw parent._host.Except("The cursor is not at a row: call MoveNext first.");

        private void GetLabel(ref ReadOnlyMemory<char> value) => value = LabelTexts[parent._labels[CurrentRow()]];

        private void GetImage(ref VBuffer<byte> value)
        {
            ReadOnlySpan<byte> image = parent._images[CurrentRow()].Span;
            VBufferEditor<byte> editor = VBufferEditor.Create(ref value, image.Length);
            image.CopyTo(editor.Values);
            value = editor.Commit();
        }
    }
}
