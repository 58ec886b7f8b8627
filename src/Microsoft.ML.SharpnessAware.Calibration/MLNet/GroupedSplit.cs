using System.Numerics;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms;
using static Microsoft.ML.DataOperationsCatalog;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Divides rows at random. Where a column says which belong together, the groups that there are, are dealt to the parts, so that a part of
/// a split by the same column can be divided again, and few groups fill as many parts as they can.
/// </summary>
/// <remarks>
/// ML.NET's splits give each value a place from 0 to 1 by a hash, and numbers and keys by their size, the same place whenever the seed is
/// the same: what is left of one split has no rows in some parts of the next. They also leave out the rows without a value.
/// </remarks>
internal static class GroupedSplit
{
    /// <summary>Two parts, neither without rows.</summary>
    /// <param name="environment">Whose seed decides where <paramref name="seed"/> is null, and whose log gets the warnings.</param>
    /// <param name="data">The rows.</param>
    /// <param name="testShare">The share of the rows to test with.</param>
    /// <param name="columnName">What rows belong together by; null where each is drawn by itself.</param>
    /// <param name="seed">The same seed gives the same parts.</param>
    /// <exception cref="InvalidOperationException">The data cannot be divided.</exception>
    public static TrainTestData TrainTest(IHostEnvironment environment, IDataView data, double testShare, string? columnName,
        int? seed = null) =>
        Usable(columnName is null
            ? [new DataOperationsCatalog(environment).TrainTestSplit(data, testShare, seed: seed)]
            : Deal(environment, data, columnName, [testShare, 1 - testShare], seed).Take(1))[0];

    /// <summary>For each part its rows and those of all others. Parts without rows are left out, so there may be fewer.</summary>
    /// <param name="environment">Whose seed decides where <paramref name="seed"/> is null, and whose log gets the warnings.</param>
    /// <param name="data">The rows.</param>
    /// <param name="folds">The number of parts.</param>
    /// <param name="columnName">What rows belong together by; null where each is drawn by itself.</param>
    /// <param name="seed">The same seed gives the same parts.</param>
    /// <exception cref="InvalidOperationException">The data cannot be divided.</exception>
    public static IReadOnlyList<TrainTestData> Folds(IHostEnvironment environment, IDataView data, int folds, string? columnName,
        int? seed = null) =>
        Usable(columnName is null
            ? new DataOperationsCatalog(environment).CrossValidationSplit(data, folds, seed: seed)
            : Deal(environment, data, columnName, [.. Enumerable.Repeat(1.0, folds)], seed));

    /// <summary>
    /// Deals groups to parts: the larger ones first, since they are the hardest to place (by powers of two, at random among their like),
    /// and each to the part that it fits best, so that Σ rows² / share grows least. No part stays empty if there are groups enough.
    /// </summary>
    /// <returns>The part of each group.</returns>
    internal static int[] Deal(IReadOnlyList<long> sizes, IReadOnlyList<double> shares, Random random)
    {
        int[] order = [.. Enumerable.Range(0, sizes.Count).Where(group => sizes[group] > 0)];
        random.Shuffle(order);
        int[] partOf = new int[sizes.Count];
        long[] rows = new long[shares.Count];
        int left = order.Length, empty = rows.Length;
        foreach (int group in order.OrderByDescending(group => BitOperations.Log2((ulong)sizes[group])))
        {
            bool onlyEmpty = left-- <= empty;
            int best = onlyEmpty ? Array.IndexOf(rows, 0) : 0;
            for (int part = best + 1; part < rows.Length; part++)
            {
                if ((!onlyEmpty || rows[part] == 0) && Cost(part) < Cost(best))
                    best = part;
            }

            empty -= rows[best] == 0 ? 1 : 0;
            rows[partOf[group] = best] += sizes[group];

            double Cost(int part) => (rows[part] + sizes[group] / 2.0) / shares[part];
        }

        return partOf;
    }

    private static IEnumerable<TrainTestData> Deal(IHostEnvironment environment, IDataView data, string columnName, double[] shares,
        int? seed)
    {
        IHost host = environment.Register(nameof(GroupedSplit));
        Check(NamedColumn.Find(data.Schema, columnName, "sampling key"));
        string group = data.Schema.GetTempColumnName("Group"), part = data.Schema.GetTempColumnName("Part");
        IDataView grouped = new ValueToKeyMappingEstimator(host, group, columnName, int.MaxValue).Fit(data).Transform(data);
        (List<long> sizes, Dictionary<DataViewRowId, int> alone) = Count(host, grouped, grouped.Schema[group], columnName);
        if (sizes.Count(size => size > 0) < 2)
            throw new InvalidOperationException(sizes.Sum() == 0
                ? "The data has no rows to divide."
                : $"All {sizes.Sum()} row(s) have the same value in column '{columnName}', by which rows are kept together, so they "
                    + "cannot be divided. Name another column, or none.");
        int[] partOf = Deal(sizes, shares,
            SeededRandom.Create(seed ?? (environment as IHostEnvironmentInternal)?.Seed ?? 0));
        var mapper = new PartMapper(grouped.Schema[group], partOf, alone, new(part, new KeyDataViewType(typeof(uint), shares.Length)));
        IDataView dealt = ColumnSelectingTransformer.CreateDrop(host, new RowToRowMapperTransform(host, grouped, mapper, null), group);
        return CrossValidationSplit(host, dealt, part, shares.Length);
    }

    private static void Check(DataViewSchema.Column column)
    {
        if (column.Type is not (TextDataViewType or KeyDataViewType or BooleanDataViewType or NumberDataViewType or DateTimeDataViewType
            or DateTimeOffsetDataViewType or TimeSpanDataViewType or RowIdDataViewType))
            throw new ArgumentOutOfRangeException("samplingKeyColumnName", $"Column '{column.Name}': expected a text, key, number, Boolean "
                + $"or date by which rows are kept together; found {column.Type}.");
    }

    /// <summary>The number of rows of each group; rows without a value are groups by themselves, after the others.</summary>
    private static (List<long> Sizes, Dictionary<DataViewRowId, int> Alone) Count(
        IHost host, IDataView grouped, DataViewSchema.Column group, string columnName)
    {
        List<long> sizes = [.. new long[((KeyDataViewType)group.Type).Count]];
        Dictionary<DataViewRowId, int> alone = [];
        using (DataViewRowCursor cursor = grouped.GetRowCursor([group]))
        {
            ValueGetter<uint> getGroup = cursor.GetGetter<uint>(group);
            ValueGetter<DataViewRowId> getId = cursor.GetIdGetter();
            uint key = 0;
            DataViewRowId id = default;
            while (cursor.MoveNext())
            {
                host.CheckAlive();
                getGroup(ref key);
                if (key > 0)
                {
                    sizes[(int)key - 1]++;
                    continue;
                }

                getId(ref id);
                if (alone.TryAdd(id, sizes.Count))
                    sizes.Add(0);
                sizes[alone[id]]++;
            }
        }

        if (alone.Count > 0)
        {
            using IChannel channel = host.Start(nameof(GroupedSplit));
            channel.Warning($"{alone.Count} row(s) have no value in column '{columnName}', by which rows are kept together. Each is taken "
                + "as belonging to no other.");
        }

        return (sizes, alone);
    }

    /// <summary>Those that leave rows on both sides.</summary>
    private static List<TrainTestData> Usable(IEnumerable<TrainTestData> splits)
    {
        List<TrainTestData> usable = [.. splits.Where(split => HasRows(split.TestSet) && HasRows(split.TrainSet))];
        return usable.Count > 0 ? usable : throw new InvalidOperationException(
            "The data has too few rows to be divided: all of them came to lie on one side. Give more rows.");
    }

    private static bool HasRows(IDataView data)
    {
        using DataViewRowCursor cursor = data.GetRowCursor([]);
        return cursor.MoveNext();
    }

    /// <summary>The part of each row, as a key.</summary>
    private sealed class PartMapper(DataViewSchema.Column group, int[] partOf, Dictionary<DataViewRowId, int> alone,
        DataViewSchema.DetachedColumn output) : IRowMapper
    {
        public DataViewSchema.DetachedColumn[] GetOutputColumns() => [output];

        public Func<int, bool> GetDependencies(Func<int, bool> activeOutput) => column => activeOutput(0) && column == group.Index;

        public Delegate[] CreateGetters(DataViewRow input, Func<int, bool> activeOutput, out Action? disposer)
        {
            disposer = null;
            if (!activeOutput(0))
                return [null!];
            ValueGetter<uint> getGroup = input.GetGetter<uint>(group);
            ValueGetter<DataViewRowId> getId = input.GetIdGetter();
            DataViewRowId id = default;
            return
            [
                (ValueGetter<uint>)((ref uint part) =>
                {
                    getGroup(ref part);
                    int number = (int)part - 1;
                    if (part == 0)
                    {
                        getId(ref id);
                        if (!alone.TryGetValue(id, out number))
                            throw new InvalidOperationException("A row was not there, or had another "
                                + "sampling key, when the groups were counted: the data change from one reading to the next. Copy them "
                                + "to a file or into memory first.");
                    }

                    part = (uint)partOf[number] + 1;
                }),
            ];
        }

        public ITransformer GetTransformer() => throw new NotSupportedException();

        void ICanSaveModel.Save(ModelSaveContext ctx) => throw new NotSupportedException();
    }
}
