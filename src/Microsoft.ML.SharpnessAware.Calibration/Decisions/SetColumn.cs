using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A column of prediction sets, read beside the class of each row; it counts what it reads.</summary>
internal sealed class SetColumn : ISideColumn
{
    private readonly int _numberOfClasses;
    private readonly int[]? _places;
    private readonly SetCounts _counts;
    private ClusterShare? _covered;

    private SetColumn(DataViewSchema.Column column, int numberOfClasses, int[]? places, LabelValues? classes)
    {
        (Column, _numberOfClasses, _places) = (column, numberOfClasses, places);
        _counts = new SetCounts(numberOfClasses);
        ClassNames = (LabelValues.Of(column) ?? classes)?.Names ?? [.. Enumerable.Range(0, numberOfClasses).Select(k => $"{k}")];
    }

    public DataViewSchema.Column Column { get; }

    /// <summary>The names of the sets' keys, in their order.</summary>
    public IReadOnlyList<string> ClassNames { get; }

    /// <summary>Receives each set, where it is wanted.</summary>
    public LargestSets? Largest { get; init; }

    /// <param name="schema">Where to look.</param>
    /// <param name="columnName">The sets.</param>
    /// <param name="whose">What the classes of rows come from, for messages: "Label column 'Label'".</param>
    /// <param name="classes">The names of the classes; null where they have none.</param>
    /// <param name="numberOfClasses">Their number.</param>
    /// <param name="largest">Receives each set.</param>
    /// <exception cref="ArgumentOutOfRangeException">The column is missing or holds no sets, or sets of other classes.</exception>
    public static SetColumn Bind(DataViewSchema schema, string columnName, string whose, LabelValues? classes, int numberOfClasses,
        LargestSets? largest = null)
    {
        DataViewSchema.Column sets = NamedColumn.Find(schema, columnName, "prediction set");
        if (sets.Type is not VectorDataViewType { ItemType: KeyDataViewType key })
            throw new ArgumentOutOfRangeException(nameof(schema),
                $"Column '{columnName}': expected the classes of prediction sets as a vector of keys; found {sets.Type}. Evaluate before "
                + "MapKeyToValue.");
        int[]? places = null;
        if (classes is not null && LabelValues.Of(sets) is LabelValues ofSets)
        {
            if (ClassOrder.Match(classes.Names, ofSets.Names, out places) is string problem)
                throw new ArgumentOutOfRangeException(nameof(schema), $"{whose} does not go with column '{columnName}': it {problem}.");
        }
        else if ((ulong)numberOfClasses != key.Count)
            throw new ArgumentOutOfRangeException(nameof(schema),
                $"{whose} has {numberOfClasses} classes, but column '{columnName}' {key.Count}.");
        return new SetColumn(sets, (int)key.Count, places, classes) { Largest = largest };
    }

    public Func<int, int> Open(DataViewRow row)
    {
        Type type = ((VectorDataViewType)Column.Type).ItemType.RawType;
        return type == typeof(byte) ? Reader<byte>(row, value => value)
            : type == typeof(ushort) ? Reader<ushort>(row, value => value)
            : type == typeof(uint) ? Reader<uint>(row, value => value)
            : Reader<ulong>(row, value => value);
    }

    /// <summary>Counts what <see cref="Open"/>'s function gave.</summary>
    public void Count(int label, int set, int cluster = -1)
    {
        bool holds = (set & 1) == 1;
        _counts.Add(_places is null ? label : _places[label], set >> 1, holds);
        if (cluster >= 0)
            (_covered ??= new()).Add(cluster, holds);
    }

    public PredictionSetMetrics GetMetrics(long skippedRows) => new(_counts, ClassNames, skippedRows, _covered)
    {
        CoverageAsked = DecisionAnnotations.Find(Column, DecisionAnnotations.CoverageAsked),
        FittedRows = DecisionAnnotations.FindVector(Column, DecisionAnnotations.FittedRows),
    };

    /// <summary>Twice the size of the set, and one more where it holds the class.</summary>
    private Func<int, int> Reader<T>(DataViewRow row, Func<T, ulong> widen)
    {
        ValueGetter<VBuffer<T>> get = row.GetGetter<VBuffer<T>>(Column);
        VBuffer<T> buffer = default;
        int[] members = new int[_numberOfClasses];
        return label =>
        {
            get(ref buffer);
            int own = _places is null ? label : _places[label], size = 0;
            bool holds = false;
            foreach (T value in buffer.GetValues())
            {
                ulong key = widen(value);
                if (key == 0 || size == members.Length)     // no class, or one twice
                    continue;
                members[size++] = (int)key - 1;
                holds |= key == (ulong)own + 1;
            }

            Largest?.Add(row, own, holds, members.AsSpan(0, size));
            return 2 * size + (holds ? 1 : 0);
        };
    }
}
