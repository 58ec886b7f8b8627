using System.Reflection;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A column of any single values, each different one a number: what groups or clusters of rows are told apart by.</summary>
internal sealed class CodedColumn : ISideColumn
{
    // Each group has metrics of its own: 400 MB at most.
    private const int MostGroupCells = 1 << 24;
    private const int MostGroups = 10_000;

    private readonly string _role;
    private readonly int _mostValues;
    private readonly bool _missingIsOneValue;
    private Func<IEnumerable<(int, string)>> _values = () => [];
    private readonly List<bool> _isMeasured = [];
    private int _measured;
    private int _missing = -1;

    private CodedColumn(DataViewSchema.Column column, string role, int mostValues, bool missingIsOneValue) =>
        (Column, _role, _mostValues, _missingIsOneValue) = (column, role, mostValues, missingIsOneValue);

    public DataViewSchema.Column Column { get; }

    /// <summary>The numbers with the values as text, in the order of the values; a missing one comes last and has no text.</summary>
    public IEnumerable<(int Number, string Text)> Values => _missing < 0 ? _values() : _values().Append((_missing, ""));

    /// <summary>A column of groups: rows without a value are a group together.</summary>
    /// <param name="schema">Where to look.</param>
    /// <param name="columnName">The name of the column.</param>
    /// <param name="cellsPerGroup">What a group takes, by <see cref="CalibrationSums.Cells"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such column, or it holds vectors or images.</exception>
    public static CodedColumn Groups(DataViewSchema schema, string columnName, long cellsPerGroup) =>
        new(Find(schema, columnName, "group"), "group", (int)Math.Clamp(MostGroupCells / Math.Max(cellsPerGroup, 1), 1, MostGroups),
            missingIsOneValue: true);

    /// <summary>A column of clusters: each row without a value is a cluster by itself.</summary>
    /// <param name="schema">Where to look.</param>
    /// <param name="columnName">The name of the column.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such column, or it holds vectors or images.</exception>
    public static CodedColumn Clusters(DataViewSchema schema, string columnName) =>
        new(Find(schema, columnName, "cluster"), "cluster", int.MaxValue, missingIsOneValue: false);

    /// <summary>The same; null where there is no such column, or not one of single values.</summary>
    public static CodedColumn? ClustersIfAny(DataViewSchema schema, string columnName) =>
        schema.GetColumnOrNull(columnName) is DataViewSchema.Column column && HasValues(column.Type) ? Clusters(schema, columnName) : null;

    /// <summary>Refuses a name that no column has, before there is data.</summary>
    /// <exception cref="ArgumentException">It is empty.</exception>
    public static void CheckClusterName(string columnName) => CheckName(columnName, "cluster");

    /// <summary>Refuses what <see cref="Clusters"/> refuses, before there are rows.</summary>
    public static void CheckClusters(SchemaShape schema, string columnName)
    {
        CheckName(columnName, "cluster");
        SchemaShape.Column column = NamedColumn.Find(schema, columnName, "cluster");
        if (column.Kind != SchemaShape.Column.VectorKind.Scalar || !HasValues(column.ItemType))
            throw Unsuitable(columnName, "cluster", column.GetTypeString());
    }

    /// <summary>The number of the value of a row, given the row's class; of a row that is left out, below 0: its value has a number, and
    /// takes no memory.</summary>
    public Func<int, int> Open(DataViewRow row)
    {
        Func<int> read = Column.Type is TextDataViewType ? OpenText(row)
            : Column.Type is KeyDataViewType ? OpenKeys(row)
            : (Func<int>)GetType().GetMethod(nameof(OpenValues), BindingFlags.NonPublic | BindingFlags.Instance)!
                .MakeGenericMethod(Column.Type.RawType).Invoke(this, [row])!;
        return label =>
        {
            int number = read();
            if (label >= 0 && !_isMeasured[number])
                Measure(number, row);
            return number;
        };
    }

    private static DataViewSchema.Column Find(DataViewSchema schema, string columnName, string role)
    {
        CheckName(columnName, role);
        DataViewSchema.Column column = NamedColumn.Find(schema, columnName, role);
        return HasValues(column.Type) ? column : throw Unsuitable(columnName, role, $"{column.Type}");
    }

    private static void CheckName(string columnName, string role)
    {
        if (columnName.Length == 0)
            throw new ArgumentException($"The {role} column needs a name; null stands for none.", nameof(columnName));
    }

    private static bool HasValues(DataViewType type) => type is TextDataViewType or KeyDataViewType or BooleanDataViewType
        or NumberDataViewType or DateTimeDataViewType or DateTimeOffsetDataViewType or TimeSpanDataViewType;

    private static ArgumentOutOfRangeException Unsuitable(string columnName, string role, string type) => new("schema",
        $"Column '{columnName}': expected the {role} of each row, a text, key, number, Boolean or date; found {type}.");

    private Func<int> OpenText(DataViewRow row)
    {
        ValueGetter<ReadOnlyMemory<char>> get = row.GetGetter<ReadOnlyMemory<char>>(Column);
        var numberOf = new Dictionary<string, int>(StringComparer.Ordinal);
        Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> lookup = numberOf.GetAlternateLookup<ReadOnlySpan<char>>();
        _values = () => numberOf.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => (pair.Value, pair.Key));
        ReadOnlyMemory<char> text = default;
        return () =>
        {
            get(ref text);
            if (text.IsEmpty)
                return Missing();
            if (!lookup.TryGetValue(text.Span, out int number))
                lookup[text.Span] = number = Next();
            return number;
        };
    }

    private Func<int> OpenKeys(DataViewRow row)
    {
        ValueGetter<ulong> get = RowCursorUtils.GetGetterAs<ulong>(NumberDataViewType.UInt64, row, Column.Index);
        IReadOnlyList<string>? names = LabelValues.Of(Column)?.Names;
        return Read(row, get, key => key == 0,
            key => names is not null && key <= (ulong)names.Count ? names[(int)key - 1] : $"{key - 1}");
    }

    private Func<int> OpenValues<T>(DataViewRow row)
        where T : notnull =>
        Read(row, row.GetGetter<T>(Column), value => value is float.NaN or double.NaN, ValueText.Of);

    private Func<int> Read<T>(DataViewRow row, ValueGetter<T> get, Func<T, bool> isMissing, Func<T, string> text)
        where T : notnull
    {
        var numberOf = new Dictionary<T, int>();
        _values = () => numberOf.OrderBy(pair => pair.Key).Select(pair => (pair.Value, text(pair.Key)));
        T value = default!;
        return () =>
        {
            get(ref value);
            if (isMissing(value))
                return Missing();
            if (!numberOf.TryGetValue(value, out int number))
                numberOf.Add(value, number = Next());
            return number;
        };
    }

    private int Missing() => _missingIsOneValue && _missing >= 0 ? _missing : _missing = Next();

    private int Next()
    {
        _isMeasured.Add(false);
        return _isMeasured.Count - 1;
    }

    private void Measure(int number, DataViewRow row)
    {
        _isMeasured[number] = true;
        if (++_measured > _mostValues)
            throw new InvalidOperationException(
                $"Column '{Column.Name}' has more than {_mostValues} {_role}s, at row {new SourceRow(row).Number} (counted from 0): each "
                + "takes memory for its own metrics. Group by something coarser, or, where rows merely belong together, name the column as "
                + "clusterColumnName.");
    }
}
