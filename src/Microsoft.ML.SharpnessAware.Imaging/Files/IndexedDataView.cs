using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Rows that are found by their number, from 0. A value is made only when it is asked for; any number of cursors can run at once, in order
/// or shuffled.
/// </summary>
internal sealed class IndexedDataView : IDataView
{
    private readonly IHost _host;
    private readonly int _count;
    private readonly Column[] _columns;

    public IndexedDataView(IHostEnvironment environment, int count, params Column[] columns)
    {
        _host = environment.Register(nameof(IndexedDataView));
        (_count, _columns) = (count, columns);
        var builder = new DataViewSchema.Builder();
        foreach (Column column in columns)
            builder.AddColumn(column.Name, column.Type);
        Schema = builder.ToSchema();
    }

    /// <summary>Gives the value of a row; a buffer in <paramref name="value"/> is used again.</summary>
    public delegate void Reader<T>(int row, ref T value);

    public bool CanShuffle => true;

    public DataViewSchema Schema { get; }

    public static Column Text(string name, Func<int, ReadOnlyMemory<char>> text) =>
        Column.Of(name, TextDataViewType.Instance, (int row, ref ReadOnlyMemory<char> value) => value = text(row));

    public static Column Bytes(string name, VectorDataViewType type, Reader<VBuffer<byte>> reader) => Column.Of(name, type, reader);

    public long? GetRowCount() => _count;

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        bool[] active = new bool[Schema.Count];
        foreach (DataViewSchema.Column column in columnsNeeded)
            active[column.Index] = true;

        int[]? order = null;
        if (rand is not null)
            rand.Shuffle(order = [.. Enumerable.Range(0, _count)]);
        return new Cursor(this, active, order);
    }

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];

    /// <summary>A column: its name, its type, and how a getter is made of a function that tells the current row.</summary>
    internal sealed class Column
    {
        private Column(string name, DataViewType type, Func<Func<int>, Delegate> getter) => (Name, Type, Getter) = (name, type, getter);

        public string Name { get; }

        public DataViewType Type { get; }

        public Func<Func<int>, Delegate> Getter { get; }

        public static Column Of<T>(string name, DataViewType type, Reader<T> reader) =>
            new(name, type, currentRow => (ValueGetter<T>)((ref T value) => reader(currentRow(), ref value)));
    }

    private sealed class Cursor(IndexedDataView parent, bool[] active, int[]? order) : RootCursorBase(parent._host)
    {
        private int _row = -1;

        public override DataViewSchema Schema => parent.Schema;

        public override long Batch => 0;

        public override bool IsColumnActive(DataViewSchema.Column column) => active[column.Index];

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            if (!IsColumnActive(column))
                throw parent._host.ExceptParam(nameof(column), $"Column '{column.Name}' was not asked for when the cursor was made.");
            return parent._columns[column.Index].Getter(CurrentRow) as ValueGetter<TValue>
                ?? throw parent._host.ExceptParam(nameof(TValue), $"Column '{column.Name}' is {column.Type}, not {typeof(TValue)}.");
        }

        public override ValueGetter<DataViewRowId> GetIdGetter() =>
            (ref DataViewRowId value) => value = new DataViewRowId((ulong)CurrentRow(), 0);

        protected override bool MoveNextCore()
        {
            int next = (int)Position + 1;
            if (next >= parent._count)
                return false;
            _row = order?[next] ?? next;
            return true;
        }

        private int CurrentRow() => IsGood ? _row : throw parent._host.Except("The cursor is not at a row: call MoveNext first.");
    }
}
