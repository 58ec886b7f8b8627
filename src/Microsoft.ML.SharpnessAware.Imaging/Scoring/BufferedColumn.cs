using System.Runtime.ExceptionServices;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The values that a column has in the rows of a batch, kept for when it is their turn to be handed on.</summary>
internal abstract class BufferedColumn
{
    private ExceptionDispatchInfo? _error;
    private int _errorRow;

    /// <summary>How many rows are kept.</summary>
    protected int Count { get; private set; }

    /// <summary>
    /// A buffer for a column of the rows of a cursor; null where values of its type (an image, an object of the application) cannot be
    /// copied.
    /// </summary>
    public static BufferedColumn? TryCreate(DataViewRow row, DataViewSchema.Column column)
    {
        Type? buffer = column.Type switch
        {
            VectorDataViewType vector => typeof(BufferedVectors<>).MakeGenericType(vector.ItemType.RawType),
            PrimitiveDataViewType primitive => typeof(BufferedValues<>).MakeGenericType(primitive.RawType),
            _ => null,
        };
        return buffer is null ? null : (BufferedColumn)Activator.CreateInstance(buffer, row, column)!;
    }

    /// <summary>Copies the value of the current row. Where the data throws instead, its getter does so for this row.</summary>
    /// <param name="bytes">Grows by the size of the copy.</param>
    /// <returns>Whether there was a value.</returns>
    public bool Append(ref long bytes)
    {
        try
        {
            bytes += AppendCore();
        }
        catch (Exception exception)
        {
            (_error, _errorRow) = (ExceptionDispatchInfo.Capture(exception), Count);
        }
        Count++;
        return _error is null;
    }

    /// <summary>Makes room for the next batch.</summary>
    public void Clear()
    {
        (_error, Count) = (null, 0);
        ClearCore();
    }

    /// <summary>A <see cref="ValueGetter{TValue}"/> of the column's type for the row that <paramref name="row"/> tells, counted in the
    /// batch.</summary>
    public abstract Delegate CreateGetter(Func<int> row);

    protected abstract long AppendCore();

    protected abstract void ClearCore();

    protected void ThrowIfFailed(int row)
    {
        if (row == _errorRow)
            _error?.Throw();
    }
}
