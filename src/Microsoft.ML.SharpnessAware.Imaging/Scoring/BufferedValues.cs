using System.Runtime.CompilerServices;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Keeps numbers, keys, truth values, times and texts.</summary>
internal sealed class BufferedValues<T>(DataViewRow row, DataViewSchema.Column column) : BufferedColumn
{
    private readonly ValueGetter<T> _getter = row.GetGetter<T>(column);
    private readonly List<T> _values = [];

    public override Delegate CreateGetter(Func<int> row) => (ValueGetter<T>)((ref T value) =>
    {
        int index = row();
        ThrowIfFailed(index);
        value = _values[index];
    });

    protected override long AppendCore()
    {
        T value = default!;
        _getter(ref value);
        _values.Add(value is ReadOnlyMemory<char> text ? (T)(object)LastingText.Of(text) : value);
        return Unsafe.SizeOf<T>() + LastingText.Bytes(value);
    }

    protected override void ClearCore() => _values.Clear();
}
