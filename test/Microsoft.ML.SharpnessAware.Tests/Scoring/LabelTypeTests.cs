using Microsoft.ML.SharpnessAware.Tests.Calibration;
using System.Reflection;
using Microsoft.ML.Data;
using Serve;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Labels that are not text: their values keep their type, and their names are text.</summary>
[TestClass]
public sealed class LabelTypeTests
{
    private static readonly MLContext MLContext = new(1);

    /// <summary>Keys is how many there are where the values are keys themselves, which ML.NET counts from 0 in objects; else 0.</summary>
    public static IEnumerable<(object[] Values, string[] Names, int Keys)> Labels =>
    [
        ([7, -1, 300], ["7", "-1", "300"], 0),
        ([0.5f, 1.25f, -2f], ["0.5", "1.25", "-2"], 0),
        ([1e-3, 2.0, 1e20], ["0.001", "2", "1E+20"], 0),
        ([5L, 6L, 7L], ["5", "6", "7"], 0),
        ([(byte)1, (byte)2, (byte)3], ["1", "2", "3"], 0),
        ([true, false, true], ["True", "False"], 0),
        ([new DateTime(2026, 1, 2), new DateTime(2026, 1, 2, 3, 4, 5), new DateTime(2026, 1, 2, 3, 4, 5, 6)],
            ["2026-01-02", "2026-01-02T03:04:05.0000000", "2026-01-02T03:04:05.0060000"], 0),
        ([new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc), new DateTime(2026, 1, 2, 4, 4, 5, DateTimeKind.Local),
            new DateTime(2026, 1, 2, 0, 0, 0, DateTimeKind.Utc)],
            ["2026-01-02T03:04:05.0000000", "2026-01-02T04:04:05.0000000", "2026-01-02"], 0),
        (["cat", "dog", "fox"], ["cat", "dog", "fox"], 0),
        ([1u, 2u, 0u], ["2", "3", "1"], 3),
        ([(byte)1, (byte)8, (byte)0], ["2", "9", "1"], 9),
        ([1UL, 2UL, 0UL], ["2", "3", "1"], 4),
    ];

    [TestMethod]
    [DynamicData(nameof(Labels))]
    public void ScoreHasTheTextOfEachValueAndTheValuesThemselves(object[] values, string[] names, int keys)
    {
        using var culture = new CultureScope("de-DE");
        Call(nameof(Check), values, names, keys);
    }

    [TestMethod]
    public void TheServiceNamesNumericClasses()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("model.zip");
        List<EncodedRow> files = Shapes.Encoded(30);
        IDataView data = MLContext.Data.LoadFromEnumerable(files.Select(file =>
            new Row<int> { Label = file.Label.Length, Image = file.Image }));
        var pipeline = MLContext.Transforms.Conversion.MapValueToKey("Label")
            .Append(MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(Quick()));
        using (var model = pipeline.Fit(data))
            MLContext.Model.Save(model, data.Schema, path);

        using var pool = new ImageClassifierPool(path);

        CollectionAssert.AreEquivalent(new[] { "4", "6", "7" }, pool.Predict(files[0].Image).Classes.Select(entry => entry.Name).ToArray());
    }

    private static void Call(string method, object[] values, string[] names, int keys) => typeof(LabelTypeTests)
        .GetMethod(method, BindingFlags.NonPublic | BindingFlags.Static)!
        .MakeGenericMethod(values[0].GetType()).Invoke(null, [values, names, keys]);

    private static void Check<T>(object[] values, string[] names, int keys)
    {
        var definition = SchemaDefinition.Create(typeof(Row<T>));
        if (keys > 0)
            definition[nameof(Row<T>.Label)].ColumnType = new KeyDataViewType(typeof(T), keys);
        IDataView rows = MLContext.Data.LoadFromEnumerable(Shapes.Encoded(30)
            .Select((file, i) => new Row<T> { Label = (T)values[i % values.Length], Image = file.Image }), definition);
        var pipeline = MLContext.Transforms.Conversion.MapValueToKey("Label")
            .Append(MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(Quick()))
            .Append(MLContext.MulticlassClassification.Calibrators.Temperature())
            .Append(MLContext.MulticlassClassification.Decisions.Abstain(0.5));
        SchemaShape shape = pipeline.GetOutputSchema(SchemaShape.Create(rows.Schema));
        using var model = pipeline.Fit(rows);
        using var file = new MemoryStream();
        MLContext.Model.Save(model, rows.Schema, file);
        using var loaded = (IDisposable)MLContext.Model.Load(file, out _);

        foreach (ITransformer transformer in new ITransformer[] { model, (ITransformer)loaded })
        {
            DataViewSchema schema = transformer.GetOutputSchema(rows.Schema);
            VBuffer<ReadOnlyMemory<char>> slots = default;
            schema["Score"].GetSlotNames(ref slots);
            CollectionAssert.AreEqual(names, slots.DenseValues().Select(name => name.ToString()).ToArray());

            var training = (VectorDataViewType)schema["Score"].Annotations.Schema["TrainingLabelValues"].Type;
            Assert.AreEqual(typeof(T) == typeof(string) ? typeof(ReadOnlyMemory<char>) : typeof(T), training.ItemType.RawType);
            Assert.AreEqual(keys > 0, training.ItemType is KeyDataViewType);
            MulticlassClassificationMetrics metrics = MLContext.MulticlassClassification.Evaluate(transformer.Transform(rows));
            Assert.HasCount(names.Length, metrics.ConfusionMatrix.Counts);
        }
        Assert.IsTrue(shape.Single(column => column.Name == "Score").Annotations.Any(annotation => annotation.Name == "SlotNames"));
        CollectionAssert.AreEqual(names, ((TransformerChain<ITransformer>)loaded)
            .OfType<SharpnessAwareImageClassificationTransformer>().Single().ClassNames.ToArray());
    }

    private static SharpnessAwareImageClassificationTrainer.Options Quick()
    {
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        options.Epoch = 1;
        options.ImageWidth = options.ImageHeight = Shapes.Size;
        return options;
    }

    private sealed class Row<T>
    {
        public T Label { get; set; } = default!;

        public byte[] Image { get; set; } = [];
    }
}
