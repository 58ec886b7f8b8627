using System.Buffers;
using System.Runtime.CompilerServices;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Keeps vectors, dense or sparse, one behind the other.</summary>
internal sealed class BufferedVectors<T>(DataViewRow row, DataViewSchema.Column column) : BufferedColumn
{
    private readonly ValueGetter<VBuffer<T>> _getter = row.GetGetter<VBuffer<T>>(column);
    private readonly List<Vector> _vectors = [];
    private readonly ArrayBufferWriter<T> _values = new();
    private readonly ArrayBufferWriter<int> _indices = new();
    private VBuffer<T> _current;

    public override Delegate CreateGetter(Func<int> row) => (ValueGetter<VBuffer<T>>)((ref VBuffer<T> value) =>
    {
        int index = row();
        ThrowIfFailed(index);
        Vector vector = _vectors[index];
        VBufferEditor<T> editor = VBufferEditor.Create(ref value, vector.Length, vector.Count);
        _values.WrittenSpan.Slice(vector.FirstValue, vector.Count).CopyTo(editor.Values);
        if (vector.Count < vector.Length)
            _indices.WrittenSpan.Slice(vector.FirstIndex, vector.Count).CopyTo(editor.Indices);
        value = editor.Commit();
    });

    protected override long AppendCore()
    {
        _getter(ref _current);
        ReadOnlySpan<T> values = _current.GetValues();
        _vectors.Add(new Vector(_current.Length, values.Length, _values.WrittenCount, _indices.WrittenCount));
        long bytes = (long)values.Length * Unsafe.SizeOf<T>();
        if (typeof(T) == typeof(ReadOnlyMemory<char>))
        {
            foreach (T value in values)
            {
                _values.Write([(T)(object)LastingText.Of((ReadOnlyMemory<char>)(object)value!)]);
                bytes += LastingText.Bytes(value);
            }
        }
        else
        {
            _values.Write(values);
        }

        if (!_current.IsDense)
        {
            _indices.Write(_current.GetIndices());
            bytes += (long)values.Length * sizeof(int);
        }
        return bytes;
    }

    protected override void ClearCore()
    {
        _vectors.Clear();
        _values.ResetWrittenCount();
        _indices.ResetWrittenCount();
    }

    private readonly record struct Vector(int Length, int Count, int FirstValue, int FirstIndex);
}
