using System.Runtime.ExceptionServices;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Reads the source once, in batches: each row's image into the batch, and beside it what passes through.</summary>
/// <remarks>
/// <para>It gives what scoring row by row would: a source may be read once only, share its rows among readers, reuse one object for all of
/// them, or have no end. An image that cannot be read, and a column whose value cannot be had, throw from the getter of their own row, so
/// the rows around it are not lost.</para>
/// <para>Batches begin with a single row and double, so that whoever wants one row waits for one. A batch ends early where the
/// columns that pass through have grown to <see cref="MaxBufferedBytes"/>. While a column of values that cannot be copied is asked for,
/// an image for one, rows are scored one at a time.</para>
/// </remarks>
internal sealed class BatchScoringCursor : DataViewRowCursor
{
    /// <summary>A batch takes no further row when what it keeps of other columns has this size.</summary>
    public const long MaxBufferedBytes = 16 << 20;

    private readonly BatchScoringDataView _view;
    private readonly DataViewRowCursor _input;
    private readonly bool[] _active;
    private readonly Dictionary<int, BufferedColumn> _passedThrough = [];
    private readonly ImageReader _reader;
    private readonly ImageBatch _images;
    private readonly float[] _values;
    private readonly ValueGetter<DataViewRowId> _getId;
    private readonly List<RowPlace> _rows = [];
    private readonly int _largestBatch;
    private int _row = -1;
    private long _position = -1;
    private bool _isScored;
    private ExceptionDispatchInfo? _imageError;
    private bool _isAtEnd;
    private ExceptionDispatchInfo? _sourceError;

    public BatchScoringCursor(BatchScoringDataView view, DataViewRowCursor input, bool[] active)
    {
        _view = view;
        _input = input;
        _active = active;
        _largestBatch = view.Scorer.BatchSize;
        foreach (int index in Enumerable.Range(0, active.Length).Where(index => active[index]))
        {
            int inputIndex = view.Bindings.MapColumnIndex(out bool isPassedThrough, index);
            if (!isPassedThrough)
                continue;
            if (BufferedColumn.TryCreate(input, input.Schema[inputIndex]) is BufferedColumn column)
                _passedThrough.Add(index, column);
            else
                _largestBatch = 1;
        }
        _reader = view.Images.OpenReader(input);
        _getId = input.GetIdGetter();
        _values = new float[_largestBatch * view.Scorer.ValuesPerImage];
        _images = view.Scorer.CreateBatch(_largestBatch);       // last: it is to be disposed
    }

    public override DataViewSchema Schema => _view.Schema;

    public override long Position => _position;

    public override long Batch => _row < 0 ? 0 : _rows[_row].Batch;

    public override bool MoveNext()
    {
        if (_row + 1 < _rows.Count || ReadBatch())
        {
            _row++;
            _position++;
            return true;
        }
        _row = -1;
        _position = -1;
        return false;
    }

    public override bool IsColumnActive(DataViewSchema.Column column) => _active[column.Index];

    public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId id) => id = _rows[CurrentRow()].Id;

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
    {
        if (!IsColumnActive(column))
            throw BatchScoringDataView.NotActive(column);
        return CreateGetter<TValue>(column) as ValueGetter<TValue>
            ?? throw new InvalidOperationException($"Column '{column.Name}' is of type {column.Type}, not {typeof(TValue)}.");
    }

    private Delegate CreateGetter<TValue>(DataViewSchema.Column column)
    {
        int index = _view.Bindings.MapColumnIndex(out bool isPassedThrough, column.Index);
        if (!isPassedThrough)
            return _view.Scorer.CreateGetter(index, CurrentValues);
        return _passedThrough.TryGetValue(column.Index, out BufferedColumn? buffered)
            ? buffered.CreateGetter(CurrentRow)
            : _input.GetGetter<TValue>(_input.Schema[index]);
    }

    private int CurrentRow() => _row >= 0 ? _row : throw new InvalidOperationException("The cursor is not on a row: call MoveNext first.");

    private ReadOnlySpan<float> CurrentValues()
    {
        int row = CurrentRow();
        if (row >= _images.Count)
            _imageError!.Throw();
        if (!_isScored)
        {
            _view.Scorer.ThrowIfDisposed();
            _images.Score(_values);
            _isScored = true;
        }
        int count = _view.Scorer.ValuesPerImage;
        return _values.AsSpan(row * count, count);
    }

    /// <summary>Reads rows until the batch is full, the source ends or fails, or a row cannot be read whole.</summary>
    private bool ReadBatch()
    {
        _view.Scorer.ThrowIfDisposed();
        _sourceError?.Throw();
        int rows = Math.Clamp(2 * _rows.Count, 1, _largestBatch);
        Clear();
        long bytes = 0;
        bool isWhole = true;
        while (isWhole && _rows.Count < rows && bytes < MaxBufferedBytes && MoveInput())
            isWhole = ReadRow(ref bytes);
        if (_rows.Count == 0)
            _sourceError?.Throw();
        return _rows.Count > 0;
    }

    private void Clear()
    {
        _row = -1;
        _rows.Clear();
        _images.Clear();
        _isScored = false;
        _imageError = null;
        foreach (BufferedColumn column in _passedThrough.Values)
            column.Clear();
    }

    private bool MoveInput()
    {
        if (_isAtEnd)
            return false;
        try
        {
            if (_reader.MoveNext(_input))
                return true;
        }
        catch (Exception exception)
        {
            _sourceError = ExceptionDispatchInfo.Capture(exception); // thrown when the rows before it have been handed on
        }
        _isAtEnd = true;
        return false;
    }

    private bool ReadRow(ref long bytes)
    {
        DataViewRowId id = default;
        _getId(ref id);
        _rows.Add(new RowPlace(id, _input.Batch));
        bool isWhole = true;
        foreach (BufferedColumn column in _passedThrough.Values)
            isWhole &= column.Append(ref bytes);
        try
        {
            _images.Add(_reader);
        }
        catch (Exception exception)
        {
            _imageError = ExceptionDispatchInfo.Capture(exception);
            isWhole = false;
        }
        return isWhole;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _images.Dispose();
            _input.Dispose();
        }
        base.Dispose(disposing);
    }

    private readonly record struct RowPlace(DataViewRowId Id, long Batch);
}
