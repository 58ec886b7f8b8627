using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A view with Score and PredictedLabel added, scored a batch at a time while it is read.</summary>
/// <remarks>
/// A cursor runs two cursors over the source: one for the columns that pass through, and one ahead of it that reads only the images
/// of the next batch. So nothing that passes through is buffered, and every image is decoded once.
/// </remarks>
internal sealed class BatchScoringDataView : IDataView
{
    private readonly SharpnessAwareImageClassificationTransformer _transformer;
    private readonly IDataView _source;
    private readonly ImageColumn _images;
    private readonly ColumnBindings _bindings;

    public BatchScoringDataView(SharpnessAwareImageClassificationTransformer transformer, IDataView source)
    {
        _transformer = transformer;
        _source = source;
        _images = transformer.BindImages(source.Schema);
        _bindings = new ColumnBindings(source.Schema, transformer.OutputColumns(source.Schema));
    }

    public DataViewSchema Schema => _bindings.Schema;

    /// <summary>The two cursors must see the rows in the same order.</summary>
    public bool CanShuffle => false;

    public long? GetRowCount() => _source.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        bool[] active = new bool[Schema.Count];
        foreach (DataViewSchema.Column column in columnsNeeded)
            active[column.Index] = true;
        bool[] activeInput = _bindings.GetActiveInput(index => active[index]);
        DataViewRowCursor input = _source.GetRowCursor(_source.Schema.Where(column => activeInput[column.Index]));

        bool scores = _bindings.AddedColumnIndices.Any(index => active[index]);
        DataViewRowCursor? ahead = scores ? _source.GetRowCursor(_images.Columns) : null;
        return new Cursor(this, input, ahead, active);
    }

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];

    private sealed class Cursor : DataViewRowCursor
    {
        private readonly BatchScoringDataView _parent;
        private readonly DataViewRowCursor _input;
        private readonly DataViewRowCursor? _ahead;
        private readonly bool[] _active;
        private readonly ImageReader? _reader;
        private readonly ImageBatch? _batch;
        private readonly float[] _probabilities = [];
        private readonly DataViewRowId[] _ids = [];
        private readonly ValueGetter<DataViewRowId>? _inputId;
        private readonly ValueGetter<DataViewRowId>? _aheadId;
        private int _row = -1;

        public Cursor(BatchScoringDataView parent, DataViewRowCursor input, DataViewRowCursor? ahead, bool[] active)
        {
            _parent = parent;
            _input = input;
            _ahead = ahead;
            _active = active;
            if (ahead is null)
                return;
            ImageClassifier classifier = parent._transformer.Classifier;
            _reader = parent._images.OpenReader(ahead);
            _batch = new ImageBatch(classifier, classifier.BatchSize);
            _probabilities = new float[classifier.BatchSize * classifier.NumberOfClasses];
            _ids = new DataViewRowId[classifier.BatchSize];
            _inputId = input.GetIdGetter();
            _aheadId = ahead.GetIdGetter();
        }

        public override DataViewSchema Schema => _parent.Schema;

        public override long Position => _input.Position;

        public override long Batch => _input.Batch;

        private ReadOnlySpan<float> Current
        {
            get
            {
                if (_row < 0)
                    throw new InvalidOperationException("The cursor is not on a row: call MoveNext first.");
                int classes = _parent._transformer.Classifier.NumberOfClasses;
                return _probabilities.AsSpan(_row * classes, classes);
            }
        }

        public override bool MoveNext()
        {
            if (!_input.MoveNext())
            {
                _row = -1;
                return false;
            }
            if (_batch is not null)
            {
                if (++_row >= _batch.Count)
                {
                    ScoreNextBatch(_batch);
                    _row = 0;
                }
                CheckSameRow();
            }
            return true;
        }

        private void ScoreNextBatch(ImageBatch batch)
        {
            _parent._transformer.ThrowIfDisposed();
            batch.Clear();
            while (batch.Count < batch.Capacity && _reader!.MoveNext(_ahead!))
            {
                _aheadId!(ref _ids[batch.Count]);
                batch.Add(_reader);
            }
            if (batch.Count == 0)
                throw NotTheSameRows();
            batch.Score(_parent._transformer.Temperature, _probabilities);
        }

        private void CheckSameRow()
        {
            DataViewRowId id = default;
            _inputId!(ref id);
            if (!id.Equals(_ids[_row]))
                throw NotTheSameRows();
        }

        private InvalidOperationException NotTheSameRows() => new(
            $"At row {Position}, the data gave other rows when it was read a second time; images could be scored only beside the wrong columns. " +
            "Cache it (mlContext.Data.Cache), or make it give the same rows in the same order each time.");

        public override bool IsColumnActive(DataViewSchema.Column column) => _active[column.Index];

        public override ValueGetter<DataViewRowId> GetIdGetter() => _input.GetIdGetter();

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            if (!IsColumnActive(column))
                throw new InvalidOperationException($"Column '{column.Name}' was not asked for when the cursor was made.");
            int index = _parent._bindings.MapColumnIndex(out bool isSource, column.Index);
            if (isSource)
                return _input.GetGetter<TValue>(_input.Schema[index]);

            Delegate getter = index == ScoreColumns.Score
                ? (ValueGetter<VBuffer<float>>)((ref VBuffer<float> score) => ProbabilityBuffer.Copy(Current, ref score))
                : (ValueGetter<uint>)((ref uint key) => key = ProbabilityBuffer.Key(Current));
            return getter as ValueGetter<TValue>
                ?? throw new InvalidOperationException($"Column '{column.Name}' is of type {column.Type}, not {typeof(TValue)}.");
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                _batch?.Dispose();
                _ahead?.Dispose();
                _input.Dispose();
            }
            base.Dispose(disposing);
        }
    }
}
