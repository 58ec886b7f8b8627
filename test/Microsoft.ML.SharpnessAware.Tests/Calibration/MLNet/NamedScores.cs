using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>Scored rows whose Label and Score may name the classes, each in its own order and type, as two pipelines make them.</summary>
internal sealed class NamedScores
{
    public uint Label { get; set; }

    public float[] Score { get; set; } = [];

    public uint PredictedLabel { get; set; }

    /// <summary>A view with Label and Score.</summary>
    /// <param name="mlContext">The context.</param>
    /// <param name="labels">The values of the label's keys: an array of text or numbers, or their number for keys without values.</param>
    /// <param name="scores">The values of the scores, or their number. Text also becomes slot names.</param>
    /// <param name="rows">For each row the key, counted from 1, and the scores.</param>
    public static IDataView View(MLContext mlContext, object labels, object scores, params (uint Key, float[] Score)[] rows) =>
        View(mlContext, labels, scores, predictions: null, rows);

    /// <summary>A view that also has PredictedLabel, with keys of the values <paramref name="predictions"/>.</summary>
    public static IDataView View(
        MLContext mlContext, object labels, object scores, object? predictions, params (uint Key, float[] Score)[] rows)
    {
        SchemaDefinition schema = SchemaDefinition.Create(typeof(NamedScores));
        SetKey(schema["Label"], labels);
        schema["Score"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, Count(scores));
        if (scores is Array names)
        {
            Annotate(schema["Score"], "TrainingLabelValues", names);
            if (names is string[])
                Annotate(schema["Score"], "SlotNames", names);
        }

        if (predictions is null)
            schema.Remove(schema["PredictedLabel"]);
        else
            SetKey(schema["PredictedLabel"], predictions);
        return mlContext.Data.LoadFromEnumerable(rows.Select(row => new NamedScores { Label = row.Key - 1, Score = row.Score }).ToArray(),
            schema);
    }

    public static int Count(object classes) => classes is Array values ? values.Length : (int)classes;

    private static void SetKey(SchemaDefinition.Column column, object classes)
    {
        column.ColumnType = new KeyDataViewType(typeof(uint), Count(classes));
        if (classes is Array values)
            Annotate(column, "KeyValues", values);
    }

    private static void Annotate(SchemaDefinition.Column column, string kind, Array values)
    {
        switch (values)
        {
            case string[] texts:
                ReadOnlyMemory<char>[] memory = [.. texts.Select(text => text.AsMemory())];
                column.AddAnnotation(kind, new VBuffer<ReadOnlyMemory<char>>(memory.Length, memory),
                    Vector(TextDataViewType.Instance, memory.Length));
                break;
            case int[] numbers:
                column.AddAnnotation(kind, new VBuffer<int>(numbers.Length, numbers), Vector(NumberDataViewType.Int32, numbers.Length));
                break;
            case float[] numbers:
                column.AddAnnotation(kind, new VBuffer<float>(numbers.Length, numbers), Vector(NumberDataViewType.Single, numbers.Length));
                break;
            case double[] numbers:
                column.AddAnnotation(kind, new VBuffer<double>(numbers.Length, numbers), Vector(NumberDataViewType.Double, numbers.Length));
                break;
            default:
                throw new NotSupportedException();
        }
    }

    private static VectorDataViewType Vector(PrimitiveDataViewType type, int length) => new(type, length);
}
