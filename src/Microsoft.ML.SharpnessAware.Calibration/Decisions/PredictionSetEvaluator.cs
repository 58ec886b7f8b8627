using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Counts, in one pass, how often sets hold the label.</summary>
internal static class PredictionSetEvaluator
{
    // Classes × sizes: beyond this all larger sets are counted together.
    private const int LargestSize = 1 << 10;

    public static PredictionSetMetrics Evaluate(IHostEnvironment environment, IDataView data, string labelColumnName,
        string predictionSetColumnName)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentException.ThrowIfNullOrEmpty(labelColumnName);
        ArgumentException.ThrowIfNullOrEmpty(predictionSetColumnName);
        IHost host = environment.Register(nameof(PredictionSetEvaluator));
        using IChannel channel = host.Start("Evaluating prediction sets");
        LabelColumn label = LabelColumn.Bind(data.Schema, labelColumnName);
        DataViewSchema.Column sets = NamedColumn.Find(data.Schema, predictionSetColumnName, "prediction set");
        if (sets.Type is not VectorDataViewType { ItemType: KeyDataViewType key })
            throw new ArgumentOutOfRangeException(nameof(data),
                $"Column '{predictionSetColumnName}': expected the classes of prediction sets as a vector of "
                + $"keys; found {sets.Type}. Evaluate before MapKeyToValue.");
        int classes = (int)key.Count;
        int[]? places = null;
        LabelValues? setValues = LabelValues.Of(sets);
        if (LabelValues.Of(label.Column) is LabelValues labels && setValues is not null)
        {
            if (ClassOrder.Match(labels.Names, setValues.Names, out places) is string problem)
                throw new ArgumentOutOfRangeException(nameof(data),
                    $"Label column '{labelColumnName}' does not go with column '{predictionSetColumnName}': it {problem}.");
        }
        else if (label.NumberOfClasses != classes)
            throw new ArgumentOutOfRangeException(nameof(data),
                $"Label column '{labelColumnName}' has {label.NumberOfClasses} keys, but column '{predictionSetColumnName}' {classes}.");

        int largest = Math.Min(classes, LargestSize);
        long[,] counts = new long[classes, 2 * (largest + 1)];
        SkippedRowCounter withoutLabel = new();
        using DataViewRowCursor cursor = data.GetRowCursor([label.Column, sets]);
        ValueGetter<ulong> getLabel = RowCursorUtils.GetGetterAs<ulong>(NumberDataViewType.UInt64, cursor, label.Column.Index);
        Func<(int Size, Func<ulong, bool> Holds)> readSet = OpenSets(cursor, sets, key);
        long rows = 0;
        while (cursor.MoveNext())
        {
            host.CheckAlive();
            ulong value = 0;
            getLabel(ref value);
            if (value == 0 || value > (ulong)label.NumberOfClasses)
            {
                withoutLabel.Add(cursor.Position);
                continue;
            }

            int k = places is null ? (int)value - 1 : places[value - 1];
            (int size, Func<ulong, bool> holds) = readSet();
            counts[k, 2 * Math.Min(size, largest) + (holds((ulong)k + 1) ? 1 : 0)]++;
            rows++;
        }

        withoutLabel.Report(channel, $"the label column '{labelColumnName}' is missing or unknown");
        return rows > 0
            ? new PredictionSetMetrics(counts, setValues?.Names ?? [.. Enumerable.Range(0, classes).Select(k => $"{k}")],
                withoutLabel.Count)
            : throw new InvalidOperationException(withoutLabel.Count == 0 ? "The data has no rows to evaluate."
                : $"None of the {withoutLabel.Count} row(s) has a known label in column '{labelColumnName}'.");
    }

    private static Func<(int Size, Func<ulong, bool> Holds)> OpenSets(DataViewRowCursor cursor, DataViewSchema.Column sets,
        KeyDataViewType key)
    {
        return key.RawType == typeof(byte) ? Reader<byte>(value => value)
            : key.RawType == typeof(ushort) ? Reader<ushort>(value => value)
            : key.RawType == typeof(uint) ? Reader<uint>(value => value)
            : Reader<ulong>(value => value);

        Func<(int Size, Func<ulong, bool> Holds)> Reader<T>(Func<T, ulong> widen)
        {
            ValueGetter<VBuffer<T>> get = cursor.GetGetter<VBuffer<T>>(sets);
            VBuffer<T> buffer = default;
            Func<ulong, bool> holds = k =>
            {
                foreach (T value in buffer.GetValues())
                {
                    if (widen(value) == k)
                        return true;
                }

                return false;
            };
            return () =>
            {
                get(ref buffer);
                int size = 0;
                foreach (T value in buffer.GetValues())
                    size += widen(value) > 0 ? 1 : 0;
                return (size, holds);
            };
        }
    }
}
