using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A data view whose reader is watched: every row of the first complete pass over labels and scores also goes to an <see
/// cref="ExampleCollector"/>. So one pass, which may mean to run a network on every row, gives both metrics and examples. Scores are read
/// from the source once a row.
/// </summary>
internal sealed class WatchedDataView(
    IDataView source, string labelColumnName, string scoreColumnName, Func<ExampleCollector> newCollector) : IDataView
{
    /// <summary>What the first complete pass collected; null before it.</summary>
    public ExampleCollector? Collected { get; private set; }

    public bool CanShuffle => source.CanShuffle;

    public DataViewSchema Schema => source.Schema;

    public long? GetRowCount() => source.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
        => new Cursor(this, source.GetRowCursor(columnsNeeded, rand), newCollector());

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null)
        => [GetRowCursor(columnsNeeded, rand)];

    private sealed class Cursor : DataViewRowCursor
    {
        private readonly WatchedDataView _parent;
        private readonly DataViewRowCursor _source;
        private readonly DataViewSchema.Column _scoreColumn;
        private readonly ExampleCollector? _collector;
        private readonly ValueGetter<ulong>? _getLabel;
        private readonly ValueGetter<VBuffer<float>>? _getScores;
        private readonly ValueGetter<DataViewRowId> _getId;
        private VBuffer<float> _scores;

        public Cursor(WatchedDataView parent, DataViewRowCursor source, ExampleCollector collector)
        {
            (_parent, _source) = (parent, source);
            DataViewSchema.Column label = source.Schema[parent._labelColumnName];
            _scoreColumn = source.Schema[parent._scoreColumnName];
            _getId = source.GetIdGetter();
            if (!source.IsColumnActive(label) || !source.IsColumnActive(_scoreColumn))
                return;
            _collector = collector;
            _getLabel = RowCursorUtils.GetGetterAs<ulong>(NumberDataViewType.UInt64, source, label.Index);
            _getScores = source.GetGetter<VBuffer<float>>(_scoreColumn);
        }

        public override long Position => _source.Position;

        public override long Batch => _source.Batch;

        public override DataViewSchema Schema => _source.Schema;

        public override bool MoveNext()
        {
            bool moved = _source.MoveNext();
            if (_collector is null)
                return moved;
            if (moved)
                Collect(_collector);
            else
                _parent.Collected ??= _collector;
            return moved;
        }

        public override bool IsColumnActive(DataViewSchema.Column column) => _source.IsColumnActive(column);

        public override ValueGetter<DataViewRowId> GetIdGetter() => _source.GetIdGetter();

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            ValueGetter<VBuffer<float>> copyScores = (ref VBuffer<float> value) => _scores.CopyTo(ref value);
            return _collector is not null && column.Index == _scoreColumn.Index && copyScores is ValueGetter<TValue> getter
                ? getter : _source.GetGetter<TValue>(column);
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                _source.Dispose();
            base.Dispose(disposing);
        }

        private void Collect(ExampleCollector collector)
        {
            ulong key = 0;
            DataViewRowId id = default;
            _getLabel!(ref key);
            _getId(ref id);
            _getScores!(ref _scores);
            collector.Add(_source.Position, id, key, in _scores);
        }
    }

    private readonly string _labelColumnName = labelColumnName;
    private readonly string _scoreColumnName = scoreColumnName;
}
