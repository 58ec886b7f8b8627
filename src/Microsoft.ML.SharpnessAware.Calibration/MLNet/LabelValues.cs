using System.Reflection;
using Microsoft.ML.Data;
using Microsoft.ML.Data.IO;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The values behind the keys of a label column ("cat", "dog", or 0, 1, …), of whatever type they are.</summary>
internal abstract class LabelValues
{
    /// <summary>The vector type of the values.</summary>
    public abstract VectorDataViewType Type { get; }

    /// <summary>The values as text, in key order.</summary>
    public abstract IReadOnlyList<string> Names { get; }

    /// <summary>Adds the values as the annotation <paramref name="kind"/>.</summary>
    public abstract void AddTo(DataViewSchema.Annotations.Builder annotations, string kind);

    /// <summary>Adds the values as text, as SlotNames, from which ML.NET's evaluators and other tools take the names of classes.</summary>
    public void AddSlotNamesTo(DataViewSchema.Annotations.Builder annotations)
    {
        ReadOnlyMemory<char>[] names = [.. Names.Select(name => name.AsMemory())];
        annotations.AddSlotNames(names.Length, (ref VBuffer<ReadOnlyMemory<char>> destination) =>
            new VBuffer<ReadOnlyMemory<char>>(names.Length, names).CopyTo(ref destination));
    }

    /// <summary>Gives the value at a place that changes from row to row; a missing one where it is negative.</summary>
    public abstract Delegate CreateGetter(Func<int> place);

    /// <summary>Writes type and values in ML.NET's own binary encoding.</summary>
    public abstract void Save(IHostEnvironment env, Stream stream);

    /// <summary>Texts as values.</summary>
    public static LabelValues OfNames(IReadOnlyList<string> names) => new Values<ReadOnlyMemory<char>>(
        new VectorDataViewType(TextDataViewType.Instance, names.Count), new(names.Count, [.. names.Select(name => name.AsMemory())]));

    /// <summary>The values of a key column; <see langword="null"/> for a key without values.</summary>
    public static LabelValues? Of(DataViewSchema.Column keyColumn) => Of(keyColumn, AnnotationUtils.Kinds.KeyValues);

    /// <summary>The values that a column of scores is for, one a score; <see langword="null"/> where it does not tell.</summary>
    public static LabelValues? OfScores(DataViewSchema.Column scoreColumn) =>
        OfScores(scoreColumn, AnnotationUtils.Kinds.TrainingLabelValues) ?? OfScores(scoreColumn, AnnotationUtils.Kinds.SlotNames);

    /// <summary>The same as other columns name them: slots that a file's header calls "Score.cat" are the class "cat" where they are then
    /// those classes, and else are not.</summary>
    public static LabelValues? OfScores(DataViewSchema.Column scoreColumn, LabelValues? known)
    {
        LabelValues? values = OfScores(scoreColumn);
        if (values is null || known is null || !AreSlotNames(scoreColumn) || IsMatched(values))
            return values;
        foreach (string prefix in (IEnumerable<string>)[$"{scoreColumn.Name}.", $"{DefaultColumnNames.Score}."])
        {
            if (values.Names.All(name => name.StartsWith(prefix, StringComparison.Ordinal))
                && OfNames([.. values.Names.Select(name => name[prefix.Length..])]) is LabelValues ofClasses && IsMatched(ofClasses))
                return ofClasses;
        }

        return values;

        bool IsMatched(LabelValues candidates) => ClassOrder.Match(known.Names, candidates.Names, out _) is null;
    }

    /// <summary>Whether a column of scores has its names from its slots, which any loader or transform may have named.</summary>
    public static bool AreSlotNames(DataViewSchema.Column scoreColumn) =>
        OfScores(scoreColumn, AnnotationUtils.Kinds.TrainingLabelValues) is null && OfScores(scoreColumn) is not null;

    // A list of another length is about something else, and slots without a text have no name.
    private static LabelValues? OfScores(DataViewSchema.Column scoreColumn, string kind) =>
        Of(scoreColumn, kind) is LabelValues values && values.Names.Count == ScoreColumns.NumberOfClasses(scoreColumn)
            && values.Names.Any(name => name.Length > 0) ? values : null;

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <param name="env">For ML.NET's reader.</param>
    /// <param name="stream">Seekable.</param>
    /// <param name="count">How many values there must be.</param>
    /// <exception cref="FormatException">They are damaged, or of another number.</exception>
    public static LabelValues Load(IHostEnvironment env, Stream stream, int count)
    {
        try
        {
            LabelValuesFormat.Check(stream, count);
            if (new BinarySaver(env, new BinarySaver.Arguments()).TryLoadTypeAndValue(stream, out DataViewType type, out object value)
                && type is VectorDataViewType vectorType)
                return (LabelValues)Activator.CreateInstance(typeof(Values<>).MakeGenericType(vectorType.ItemType.RawType), vectorType,
                    value)!;
        }
        catch (Exception e) when (e is TargetInvocationException or IOException or ArgumentException or InvalidOperationException)
        {
            // ML.NET's reader, called by reflection, meets numbers in the values that cannot be.
            throw new FormatException($"The label values in the model file are damaged: {e.GetBaseException().Message} Copy or save it " +
                $"again.", e);
        }
        throw new FormatException("The label values in the model file are of a type that this version does not know: update the library.");
    }

    /// <summary>Says where two label columns differ; <see langword="null"/> where they agree or one has no values to compare.</summary>
    public static string? Difference(LabelValues? expected, LabelValues? actual)
    {
        if (expected is null || actual is null)
            return null;
        for (int i = 0; i < Math.Min(expected.Names.Count, actual.Names.Count); i++)
        {
            if (expected.Names[i] != actual.Names[i])
                return $"key {i + 1} stands for '{actual.Names[i]}', but for '{expected.Names[i]}' in the training data";
        }
        return null;
    }

    private static LabelValues? Of(DataViewSchema.Column column, string kind)
    {
        if (column.Annotations.Schema.GetColumnOrNull(kind) is not { Type: VectorDataViewType type } annotation)
            return null;
        return Generic(nameof(Read), type).Invoke(null, [column.Annotations, annotation, type]) as LabelValues;
    }

    private static MethodInfo Generic(string method, VectorDataViewType type) =>
        typeof(LabelValues).GetMethod(method, BindingFlags.NonPublic | BindingFlags.Static)!
            .MakeGenericMethod(type.ItemType.RawType);

    private static LabelValues Read<T>(DataViewSchema.Annotations annotations, DataViewSchema.Column annotation, VectorDataViewType type)
    {
        VBuffer<T> values = default;
        annotations.GetGetter<VBuffer<T>>(annotation)(ref values);
        return new Values<T>(type, values);
    }

    private sealed class Values<T> : LabelValues
    {
        private readonly VBuffer<T> _values;

        public Values(VectorDataViewType type, VBuffer<T> values)
        {
            Type = type;
            values.CopyTo(ref _values);
            Names = [.. _values.DenseValues().Select(ValueText.Of)];
        }

        public override VectorDataViewType Type { get; }

        public override IReadOnlyList<string> Names { get; }

        public override void AddTo(DataViewSchema.Annotations.Builder annotations, string kind) =>
            annotations.Add(kind, Type, (ref VBuffer<T> destination) => _values.CopyTo(ref destination));

        public override Delegate CreateGetter(Func<int> place)
        {
            T[] values = [.. _values.DenseValues()];
            T missing = default(T) switch       // as ML.NET's MapKeyToValue has it
            {
                float => (T)(object)float.NaN,
                double => (T)(object)double.NaN,
                _ => default!,
            };
            return (ValueGetter<T>)((ref T value) => value = place() is >= 0 and int found ? values[found] : missing);
        }

        public override void Save(IHostEnvironment env, Stream stream)
        {
            VBuffer<T> values = _values;
            if (!new BinarySaver(env, new BinarySaver.Arguments()).TryWriteTypeAndValue(stream, Type, ref values, out _))
                throw new NotSupportedException($"Label values of type {Type.ItemType} cannot be saved. Map the label from text or " +
                    "numbers.");
        }
    }
}
