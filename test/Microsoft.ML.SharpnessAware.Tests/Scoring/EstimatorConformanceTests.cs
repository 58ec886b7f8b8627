using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>What ML.NET demands of every estimator of its own, recreated.</summary>
[TestClass]
public sealed class EstimatorConformanceTests
{
    private readonly MLContext _mlContext = new(1);

    [TestMethod]
    [DataRow("pixels")]
    [DataRow("encoded")]
    [DataRow("floats")]
    [DataRow("numbers as labels")]
    [DataRow("keys without values")]
    public void TheEstimatorKeepsItsPromises(string kind)
    {
        IDataView data = kind switch
        {
            "pixels" => Fitted.View(_mlContext, Shapes.Pixels(40)),
            "encoded" => Fitted.View(_mlContext, Shapes.Encoded(40)),
            "floats" => Fitted.View(_mlContext, Shapes.Floats(40)),
            "numbers as labels" => Fitted.View(_mlContext, Shapes.Pixels(40).Select(row => new NumberedRow { Label = row.Number % 3, Image = row.Image })),
            _ => _mlContext.Data.LoadFromEnumerable(Shapes.Pixels(40).Select(row => new KeyedRow { Label = (uint)row.Number % 3, Image = row.Image })),
        };
        IDataView unusable = Fitted.View(_mlContext, Shapes.Pixels(6).Select(row => new WrongRow { Label = row.Label, Image = row.Number }));
        var trainer = _mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(Fitted.QuickOptions());

        SchemaShape promised = trainer.GetOutputSchema(SchemaShape.Create(data.Schema));
        Refuses(() => trainer.GetOutputSchema(SchemaShape.Create(unusable.Schema)));
        Refuses(() => trainer.Fit(unusable));

        using var transformer = trainer.Fit(data);
        using var stream = new MemoryStream();
        _mlContext.Model.Save(transformer, data.Schema, stream);
        ITransformer loaded = new MLContext().Model.Load(stream, out DataViewSchema loadedInputSchema);

        AssertSameSchema(data.Schema, loadedInputSchema);
        foreach (ITransformer either in new[] { transformer, loaded })
        {
            DataViewSchema schema = either.GetOutputSchema(data.Schema);
            Assert.IsTrue(either.IsRowToRowMapper);
            IRowToRowMapper mapper = either.GetRowToRowMapper(data.Schema);
            Assert.AreSame(data.Schema, mapper.InputSchema);
            AssertSameSchema(schema, mapper.OutputSchema);
            AssertSameSchema(schema, either.Transform(data).Schema);
            AssertSameShape(promised, SchemaShape.Create(schema));
            Refuses(() => either.GetOutputSchema(unusable.Schema));
            Refuses(() => either.Transform(unusable));
        }
        AssertSameSchema(transformer.GetOutputSchema(data.Schema), loaded.GetOutputSchema(data.Schema));
        AssertSameValues(transformer.Transform(data), loaded.Transform(data));
        ((IDisposable)loaded).Dispose();
    }

    private static void Refuses(Action action)
    {
        var e = Assert.Throws<Exception>(action);
        Assert.IsTrue(e is InvalidOperationException or ArgumentOutOfRangeException, e.ToString());
    }

    private static void AssertSameSchema(DataViewSchema expected, DataViewSchema actual)
    {
        Assert.HasCount(expected.Count, actual);
        for (int i = 0; i < expected.Count; i++)
        {
            Assert.AreEqual(expected[i].Name, actual[i].Name);
            Assert.AreEqual(expected[i].Type, actual[i].Type);
            Assert.AreEqual(expected[i].IsHidden, actual[i].IsHidden);
            CollectionAssert.AreEquivalent(
                expected[i].Annotations.Schema.Select(a => (a.Name, a.Type.ToString())).ToArray(),
                actual[i].Annotations.Schema.Select(a => (a.Name, a.Type.ToString())).ToArray());
        }
    }

    private static void AssertSameShape(SchemaShape promised, SchemaShape delivered)
    {
        Assert.HasCount(promised.Count, delivered);
        foreach ((SchemaShape.Column p, SchemaShape.Column d) in promised.OrderBy(c => c.Name).Zip(delivered.OrderBy(c => c.Name)))
        {
            Assert.AreEqual(p.Name, d.Name);
            Assert.IsTrue(d.IsCompatibleWith(p), $"{p.Name}: delivered something that was not promised.");
            Assert.IsTrue(p.IsCompatibleWith(d), $"{p.Name}: promised something that was not delivered.");
        }
    }

    private static void AssertSameValues(IDataView expected, IDataView actual)
    {
        CollectionAssert.AreEqual(
            expected.GetColumn<uint>("PredictedLabel").ToArray(), actual.GetColumn<uint>("PredictedLabel").ToArray());
        CollectionAssert.AreEqual(
            expected.GetColumn<float[]>("Score").SelectMany(row => row).ToArray(), actual.GetColumn<float[]>("Score").SelectMany(row => row).ToArray());
    }

    private sealed class NumberedRow
    {
        public int Label { get; set; }

        [VectorType(1, Shapes.Size, Shapes.Size)]
        public byte[] Image { get; set; } = [];
    }

    private sealed class KeyedRow
    {
        [KeyType(3)]
        public uint Label { get; set; }

        [VectorType(1, Shapes.Size, Shapes.Size)]
        public byte[] Image { get; set; } = [];
    }

    private sealed class WrongRow
    {
        public string Label { get; set; } = "";

        public int Image { get; set; }
    }
}
