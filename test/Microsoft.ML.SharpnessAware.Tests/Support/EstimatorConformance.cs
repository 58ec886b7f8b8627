using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>The check of estimators in ML.NET's own test tree, recreated.</summary>
internal static class EstimatorConformance
{
    /// <summary>Fits the estimator, saves and loads what it gives, and compares what was promised, delivered and loaded.</summary>
    public static void Check<TTransformer>(MLContext mlContext, IEstimator<TTransformer> estimator, IDataView data, IDataView unusable)
        where TTransformer : class, ITransformer
    {
        SchemaShape promised = estimator.GetOutputSchema(SchemaShape.Create(data.Schema));
        Refuses(() => estimator.GetOutputSchema(SchemaShape.Create(unusable.Schema)));
        Refuses(() => estimator.Fit(unusable));

        TTransformer transformer = estimator.Fit(data);
        using var stream = new MemoryStream();
        mlContext.Model.Save(transformer, data.Schema, stream);
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
        (transformer as IDisposable)?.Dispose();
        (loaded as IDisposable)?.Dispose();
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
            expected.GetColumn<float[]>("Score").SelectMany(row => row).ToArray(), actual.GetColumn<float[]>("Score").SelectMany(row => row)
                .ToArray());
    }
}
