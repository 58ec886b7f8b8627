namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Shorthand for what most tests of the trainer and the transformer begin with.</summary>
internal static class Fitted
{
    public static SharpnessAwareImageClassificationTrainer.Options QuickOptions() => new()
    {
        FeatureColumnName = "Image",
        Arch = NetworkArchitecture.ResNet8,
        Epoch = 3,
        BatchSize = 16,
        Device = "cpu",
    };

    public static IDataView Keys(MLContext mlContext, IDataView data) => mlContext.Transforms.Conversion
        .MapValueToKey("Label", keyOrdinality: Transforms.ValueToKeyMappingEstimator.KeyOrdinality.ByValue).Fit(data).Transform(data);

    /// <summary>Rows as a view whose Label is a key.</summary>
    public static IDataView View<TRow>(MLContext mlContext, IEnumerable<TRow> rows)
        where TRow : class => Keys(mlContext, mlContext.Data.LoadFromEnumerable(rows));

    public static SharpnessAwareImageClassificationTransformer Model(
        MLContext mlContext, IDataView data, Action<SharpnessAwareImageClassificationTrainer.Options>? change = null)
    {
        SharpnessAwareImageClassificationTrainer.Options options = QuickOptions();
        change?.Invoke(options);
        return mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options).Fit(data);
    }

    public static float[][] Scores(MLContext mlContext, IDataView scored) =>
        [.. mlContext.Data.CreateEnumerable<ScoredRow>(scored, reuseRowObject: false, ignoreMissingColumns: true).Select(row => row.Score)];
}
